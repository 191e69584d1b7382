import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";

import { DockerNames } from "../containers/names";
import { httpReady } from "../containers/ready";
import { AddressBook, gatewayOffset, registryOffset } from "./addresses";
import { DockerMachine } from "./docker-machine";
import { firstOf } from "./ingress";
import type { Ingress, IngressArgs, Machine, MachineArgs, Registry, Substrate } from "./machine";

export interface DockerSubstrateArgs {
    /** The first part of every Docker object's name, and the label `dev.gatehouse.project`. */
    project: string;
    /** The second part of every Docker object's name, and the label `dev.gatehouse.stack`. */
    stack: string;
    /**
     * The lab's network in CIDR notation, /24 or larger; the first address is the gateway's, the second the
     * registry's. A change replaces everything. Docker refuses one that overlaps with another of its networks.
     */
    subnet: string;
    /** Image that machines boot, built from images/machine. A change replaces the machines. */
    machineImage: pulumi.Input<string>;
    /** Image of the registry, built from images/registry. */
    registryImage: pulumi.Input<string>;
    /** Port on 127.0.0.1 that images are pushed to. */
    registryPort: number;
    /** The machine whose address ends in N takes SSH on 127.0.0.1, port sshPortBase + N (11 to 249). */
    sshPortBase: number;
}

/** Machines as containers that boot systemd and cloud-init, on a network of their own, reachable on loopback only. */
export class DockerSubstrate extends pulumi.ComponentResource implements Substrate {
    readonly kind = "docker";
    /** Ports on 127.0.0.1 belong to one machine. */
    readonly balances = false;
    readonly registry: Registry;
    readonly foundation: pulumi.Resource;

    private readonly names: DockerNames;
    private readonly addresses: AddressBook;
    private readonly network: docker.Network;
    private readonly operatorKey: tls.PrivateKey;

    constructor(
        name: string,
        private readonly args: DockerSubstrateArgs,
        opts?: pulumi.ComponentResourceOptions,
    ) {
        super("gatehouse:machines:DockerSubstrate", name, {}, opts);
        this.names = new DockerNames(args.project, args.stack);
        this.addresses = new AddressBook(args.subnet);
        this.operatorKey = new tls.PrivateKey(`${name}-operator`, { algorithm: "ED25519" }, { parent: this });
        this.network = new docker.Network(
            `${name}-network`,
            {
                name: this.names.of("network"),
                driver: "bridge",
                ipamConfigs: [{ subnet: args.subnet, gateway: this.addresses.at(gatewayOffset) }],
                labels: this.names.labels("network"),
            },
            { parent: this, deleteBeforeReplace: true },
        );
        this.foundation = this.network;
        this.registry = this.runRegistry(name);
        this.registerOutputs();
    }

    addressOf(machineName: string): pulumi.Output<string> {
        return pulumi.output(this.addresses.addressOf(machineName));
    }

    addMachine(machineName: string, args: MachineArgs): Machine {
        return new DockerMachine(
            machineName,
            {
                ...args,
                containerName: this.names.of(machineName),
                labels: this.names.labels(machineName, args.roles),
                image: this.args.machineImage,
                network: this.network.name,
                address: this.addresses.addressOf(machineName),
                sshPort: this.args.sshPortBase + this.addresses.offsetOf(machineName),
                operatorKey: this.operatorKey,
            },
            { parent: this },
        );
    }

    ingress(_name: string, { machines }: IngressArgs): Ingress {
        return firstOf(machines);
    }

    private runRegistry(name: string): Registry {
        const address = this.addresses.at(registryOffset);
        const volume = new docker.Volume(
            `${name}-registry`,
            { name: this.names.of("registry"), labels: this.names.labels("registry") },
            { parent: this, deleteBeforeReplace: true },
        );
        const container = new docker.Container(
            `${name}-registry`,
            {
                name: this.names.of("registry"),
                image: this.args.registryImage,
                labels: this.names.labels("registry", ["registry"]),
                networksAdvanced: [{ name: this.network.name, ipv4Address: address }],
                ports: [{ internal: 5000, external: this.args.registryPort, ip: "127.0.0.1" }],
                volumes: [{ volumeName: volume.name, containerPath: "/var/lib/registry" }],
                restart: "unless-stopped",
                mustRun: true,
            },
            { parent: this, deleteBeforeReplace: true },
        );
        const pushAddress = `127.0.0.1:${this.args.registryPort}`;
        return {
            pushAddress: pulumi.output(pushAddress),
            pullAddress: pulumi.output(`${address}:5000`),
            // Asked once. A health check of the image's would be a process in the container every second, for good.
            ready: httpReady(
                `${name}-registry`,
                { url: `http://${pushAddress}/v2/`, triggers: [container.id] },
                { parent: this, deletedWith: container },
            ),
        };
    }
}
