import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";

import { DockerNames } from "./names";

export interface ContainerNetworkArgs {
    /** The first part of every Docker object's name, and the label `dev.gatehouse.project`. */
    project: string;
    /** The second part of every Docker object's name, and the label `dev.gatehouse.stack`. */
    stack: string;
    /** In CIDR notation; the first address is the gateway's. A change replaces everything. */
    subnet: string;
}

export interface ServiceContainerArgs extends Pick<
    docker.ContainerArgs,
    | "capabilities"
    | "command"
    | "entrypoints"
    | "envs"
    | "stopSignal"
    | "destroyGraceSeconds"
    | "tmpfs"
    | "uploads"
    | "user"
    | "volumes"
    | "wait"
    | "waitTimeout"
    | "healthcheck"
> {
    /** A change replaces the container. */
    image: pulumi.Input<string>;
    /** What it is, for the label `dev.gatehouse.roles`. */
    roles: string[];
    /** A fixed address in the network; Docker chooses one if left out. In one network all containers have one, or none. */
    address?: string;
    /** Further names by which the network's containers reach it, beside its own. */
    aliases?: string[];
    /** Ports that are published on 127.0.0.1, by the container's own port. */
    publishedPorts?: Record<number, number>;
    /** Mounts the root file system read-only. */
    readOnly?: boolean;
}

/**
 * A network of containers that find each other by name and that only this computer reaches, on 127.0.0.1. Everything
 * in it carries the stack's name and labels.
 */
export class ContainerNetwork extends pulumi.ComponentResource {
    /** The network itself; what goes with it can be `deletedWith` it. */
    readonly network: docker.Network;

    private readonly names: DockerNames;

    constructor(name: string, args: ContainerNetworkArgs, opts?: pulumi.ComponentResourceOptions) {
        super("gatehouse:containers:ContainerNetwork", name, {}, opts);
        this.names = new DockerNames(args.project, args.stack);
        this.network = new docker.Network(
            name,
            {
                name: this.names.of("network"),
                driver: "bridge",
                ipamConfigs: [{ subnet: args.subnet }],
                labels: this.names.labels("network"),
            },
            { parent: this, deleteBeforeReplace: true },
        );
        this.registerOutputs();
    }

    /** The Docker name of one of the stack's objects. */
    objectName(name: string): string {
        return this.names.of(name);
    }

    /** A volume with the stack's name and labels. */
    volume(name: string, opts: pulumi.CustomResourceOptions): docker.Volume {
        return new docker.Volume(
            name,
            { name: this.names.of(name), labels: this.names.labels(name) },
            { deleteBeforeReplace: true, ...opts },
        );
    }

    /** Runs a container that the others reach as `name`; Docker starts it again when it ends, also after a restart. */
    run(name: string, args: ServiceContainerArgs, opts: pulumi.CustomResourceOptions): docker.Container {
        const { roles, address, aliases = [], publishedPorts = {}, ...rest } = args;
        return new docker.Container(
            name,
            {
                ...rest,
                name: this.names.of(name),
                hostname: name,
                labels: this.names.labels(name, roles),
                networksAdvanced: [
                    {
                        name: this.network.name,
                        aliases: [name, ...aliases],
                        ...(address === undefined ? {} : { ipv4Address: address }),
                    },
                ],
                ports: Object.entries(publishedPorts).map(([internal, external]) => ({
                    internal: Number(internal),
                    external,
                    ip: "127.0.0.1",
                })),
                restart: "unless-stopped",
                mustRun: true,
            },
            { deleteBeforeReplace: true, ...opts },
        );
    }
}
