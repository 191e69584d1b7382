import * as pulumi from "@pulumi/pulumi";

import type { BaseImages } from "../components/base-images";
import type { Substrate } from "../components/machines/machine";
import { createSubstrate } from "../components/machines/substrate";
import { formatProblems } from "../config-errors";
import type { CommonSettings } from "../settings/common";
import { keepsApart, type LinodeSettings } from "../settings/linode";
import type { nomad, routed } from "../toolchain/labs.json";

export interface DockerLabArgs {
    config: Pick<CommonSettings, "network"> & { ports: { registry: number; ssh: number } };
    bases: BaseImages;
    /** The base image that machines boot which are containers. */
    machineImage: string;
}

export interface LabSubstrateArgs extends DockerLabArgs {
    config: DockerLabArgs["config"] &
        Pick<CommonSettings, "substrate"> & { linode: LinodeSettings; servers: { count: number } };
}

/** The base images that a lab of machines needs where it runs. */
export function basesOn(
    substrate: CommonSettings["substrate"],
    needs: Pick<typeof nomad | typeof routed, "images" | "linode">,
): string[] {
    return substrate === "linode" ? needs.linode.images : needs.images;
}

/**
 * Where the lab's machines are, from the stack's settings.
 *
 * @throws pulumi.RunError when this computer cannot build images for the machines there.
 */
export function labSubstrate(args: LabSubstrateArgs, opts: pulumi.ComponentResourceOptions): Substrate {
    const { substrate: kind, linode, servers } = args.config;
    switch (kind) {
        case "docker":
            return dockerSubstrate(args, opts);
        case "linode":
            refuseOtherProcessors();
            return createSubstrate(
                "machines",
                {
                    kind,
                    ...common(args),
                    region: linode.region,
                    type: linode.type,
                    image: linode.image,
                    operators: linode.operators ?? [],
                    backups: linode.backups,
                    nodeBalancer: linode.nodeBalancer,
                    placementGroups: keepsApart(linode, servers.count),
                    domain: linode.dns?.domain,
                },
                opts,
            );
    }
}

/** Machines that are containers on this computer: all that labs know which run on Docker alone. */
export function dockerSubstrate(args: DockerLabArgs, opts: pulumi.ComponentResourceOptions): Substrate {
    const { config, bases, machineImage } = args;
    return createSubstrate(
        "machines",
        {
            kind: "docker",
            ...common(args),
            machineImage: bases.reference(machineImage),
            registryImage: bases.reference("registry"),
            sshPortBase: config.ports.ssh,
        },
        opts,
    );
}

function common({ config: { network, ports } }: DockerLabArgs) {
    return {
        project: pulumi.getProject(),
        stack: pulumi.getStack(),
        subnet: network.subnet,
        registryPort: ports.registry,
    };
}

/** Linode's machines are amd64, and base images are built for the computer that builds them. */
function refuseOtherProcessors(): void {
    if (process.arch !== "x64") {
        const message =
            `Linode's machines have amd64 processors, but images that are built here are for ${process.arch}; ` +
            `run this on an amd64 computer, or use docker`;
        throw new pulumi.RunError(formatProblems([{ path: "substrate", message }]));
    }
}
