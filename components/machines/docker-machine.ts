import { createHash } from "node:crypto";

import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";
import { stringify } from "yaml";

import { type CloudConfig, mergeCloudConfig, renderUserData } from "../../cloud-init";
import type { BootReport, Connection, Endpoint, Machine, MachineArgs } from "./machine";
import { bootReadiness } from "./readiness";

export interface DockerMachineArgs extends MachineArgs {
    containerName: string;
    labels: { label: string; value: string }[];
    image: pulumi.Input<string>;
    network: pulumi.Input<string>;
    address: string;
    /** Port on 127.0.0.1 for SSH. */
    sshPort: number;
    operatorKey: tls.PrivateKey;
}

/** One machine: a container, the volume of the container engine inside it, its host key and its readiness. */
export class DockerMachine extends pulumi.ComponentResource implements Machine {
    readonly roles: string[];
    readonly privateAddress: pulumi.Output<string>;
    readonly publicAddress: pulumi.Output<string>;
    readonly publicInterface = false;
    readonly connection: pulumi.Output<Connection>;
    readonly instanceId: pulumi.Output<string>;
    readonly ready: pulumi.Output<BootReport>;
    readonly resource: pulumi.Resource;

    private readonly endpoints: Map<number, number>;

    constructor(
        readonly name: string,
        args: DockerMachineArgs,
        opts?: pulumi.ComponentResourceOptions,
    ) {
        super("gatehouse:machines:DockerMachine", name, {}, opts);
        this.roles = args.roles;
        this.endpoints = new Map(args.publishedPorts.map((each) => [each.port, each.publishedPort]));

        const hostKey = new tls.PrivateKey(`${name}-host-key`, { algorithm: "ED25519" }, { parent: this });
        const userData = renderSeed(args, hostKey);
        const instance = instanceOf(userData, args);
        const container = this.boot(args, userData, instance);

        this.privateAddress = pulumi.output(args.address);
        this.publicAddress = pulumi.output("127.0.0.1");
        this.instanceId = container.id;
        this.resource = container;
        this.connection = pulumi
            .all([args.operatorKey.privateKeyOpenssh, hostKey.publicKeyOpenssh])
            .apply(([privateKey, publicKey]) =>
                pulumi.secret({
                    host: "127.0.0.1",
                    port: args.sshPort,
                    user: "root",
                    privateKey,
                    hostKey: publicKey.trim(),
                }),
            );
        this.ready = bootReadiness(
            {
                machineName: name,
                connection: this.connection,
                instanceId: this.instanceId,
                console: `docker logs --tail 50 ${args.containerName}`,
            },
            { parent: this, dependsOn: [container] },
        ).report;
        this.registerOutputs();
    }

    endpoint(port: number): pulumi.Output<Endpoint> {
        const published = this.endpoints.get(port);
        if (published === undefined) {
            throw new Error(
                `Port ${port} of machine ${this.name} is not published; add it to the machine's publishedPorts ` +
                    `(${[...this.endpoints.keys()].join(", ") || "none so far"}).`,
            );
        }
        return pulumi.output({ host: "127.0.0.1", port: published });
    }

    private boot(
        args: DockerMachineArgs,
        userData: pulumi.Output<string>,
        instance: pulumi.Output<string>,
    ): docker.Container {
        // Named after the instance: a new machine starts with an empty engine, as a new instance in a cloud does.
        const volume = new docker.Volume(
            `${this.name}-docker`,
            { name: pulumi.interpolate`${args.containerName}-docker-${instance}`, labels: args.labels },
            { parent: this },
        );
        return new docker.Container(
            this.name,
            {
                name: args.containerName,
                hostname: this.name,
                image: args.image,
                labels: args.labels,
                ...systemdInContainer,
                networksAdvanced: [{ name: args.network, ipv4Address: args.address }],
                ports: [{ port: 22, publishedPort: args.sshPort }, ...args.publishedPorts].map((each) => ({
                    internal: each.port,
                    external: each.publishedPort,
                    ip: "127.0.0.1",
                })),
                volumes: [{ volumeName: volume.name, containerPath: "/var/lib/docker" }],
                uploads: [
                    { file: "/etc/cloud/cloud.cfg.d/90-gatehouse.cfg", content: dataSource },
                    {
                        file: "/var/lib/cloud/seed/nocloud/meta-data",
                        content: instance.apply((id) =>
                            stringify({ "instance-id": `${this.name}-${id}`, "local-hostname": this.name }),
                        ),
                    },
                    {
                        file: "/var/lib/cloud/seed/nocloud/user-data",
                        content: userData,
                        permissions: "0600",
                    },
                ],
            },
            { parent: this, deleteBeforeReplace: true },
        );
    }
}

/**
 * What systemd, Docker and Nomad need in a container, short of --privileged, which some hosts refuse (they lack
 * CAP_SYS_RESOURCE themselves). The image's entry point does the rest.
 */
export const systemdInContainer = {
    capabilities: { adds: ["ALL"], drops: ["SYS_RESOURCE"] },
    securityOpts: ["seccomp=unconfined", "apparmor=unconfined"],
    cgroupnsMode: "private",
    tmpfs: { "/run": "", "/run/lock": "", "/tmp": "" },
    stopSignal: "SIGRTMIN+3",
    // A terminal makes systemd write its progress to where `docker logs` shows it.
    tty: true,
    restart: "unless-stopped",
    mustRun: true,
} satisfies Partial<docker.ContainerArgs>;

/** Some hosts answer on the clouds' metadata address 169.254.169.254: only the seed counts. */
export const dataSource = stringify({ datasource_list: ["NoCloud"], network: { config: "disabled" } });

/** The machine's document with what only the substrate knows. Secret: it holds the host key. */
function renderSeed(args: DockerMachineArgs, hostKey: tls.PrivateKey): pulumi.Output<string> {
    return pulumi
        .all([
            args.cloudConfig,
            args.operatorKey.publicKeyOpenssh,
            hostKey.privateKeyOpenssh,
            hostKey.publicKeyOpenssh,
        ])
        .apply(([cloudConfig, operator, privateKey, publicKey]) => {
            const access: CloudConfig = {
                // Docker mounts /etc/hostname, which cloud-init could not replace.
                preserve_hostname: true,
                ssh_authorized_keys: [operator.trim()],
                ssh_keys: { ed25519_private: privateKey, ed25519_public: publicKey.trim() },
            };
            return pulumi.secret(renderUserData(mergeCloudConfig(cloudConfig as CloudConfig, access)));
        });
}

/** Changes with everything that replaces the container. */
function instanceOf(userData: pulumi.Output<string>, args: DockerMachineArgs): pulumi.Output<string> {
    const parts = pulumi.all([userData, args.image, JSON.stringify([args.publishedPorts, args.sshPort])]);
    return pulumi.unsecret(
        parts.apply((all) => createHash("sha256").update(all.join("\0")).digest("hex").slice(0, 12)),
    );
}
