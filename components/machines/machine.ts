import type * as pulumi from "@pulumi/pulumi";

import type { CloudConfig } from "../../cloud-init/cloud-config";

/** How an operator or a remote command reaches a machine over SSH. */
export interface Connection {
    host: string;
    port: number;
    user: string;
    /** Secret: the operator's private key in OpenSSH format. */
    privateKey: string;
    /** The machine's public host key in authorized_keys format; pins the first contact. */
    hostKey: string;
}

/** Where an operator reaches one port of a machine: on Docker a port on 127.0.0.1. */
export interface Endpoint {
    host: string;
    port: number;
}

/** A port of the machine that operators or clients may reach. */
export interface PublishedPort {
    /** The port inside the machine. */
    port: number;
    /** The operator's port: on Docker the one published on 127.0.0.1, ignored where machines have public addresses. */
    publishedPort: number;
    /** Who may reach it where a firewall exists. */
    audience: "operators" | "public";
}

export interface MachineArgs {
    /** What the machine is for, e.g. `["consul-server", "nomad-client"]`; shown in outputs and labels. */
    roles: string[];
    /** The cloud-init document; the substrate adds SSH keys and host name. A change replaces the machine. */
    cloudConfig: pulumi.Input<CloudConfig>;
    publishedPorts: PublishedPort[];
}

/** A booted host. Everything above `components/machines/` sees machines through this interface only. */
export interface Machine {
    readonly name: string;
    readonly roles: string[];
    /** For its peers. */
    readonly privateAddress: pulumi.Output<string>;
    /** For operators and clients. */
    readonly publicAddress: pulumi.Output<string>;
    readonly connection: pulumi.Output<Connection>;
    /** Changes when the machine is replaced: for `triggers` of commands that run on it. */
    readonly instanceId: pulumi.Output<string>;
    /** Resolves when cloud-init has finished and every unit of the machine's roles runs. */
    readonly ready: pulumi.Output<BootReport>;
    /** Where an operator reaches the machine's port; throws on a port that is not in `publishedPorts`. */
    endpoint(port: number): pulumi.Output<Endpoint>;
    /** The instance itself: for `deletedWith`. It exists before the machine is ready; wait for that with {@link ready}. */
    readonly resource: pulumi.Resource;
}

export interface BootReport {
    /** From the start of systemd to the end of cloud-init. */
    bootSeconds: number;
}

/** A place that makes networks and machines. One per lab. */
export interface Substrate {
    readonly kind: "docker" | "linode" | "aws";
    /** The private address that the machine of this name has or will have; known before it is created where the substrate allows. */
    addressOf(machineName: string): pulumi.Output<string>;
    addMachine(machineName: string, args: MachineArgs): Machine;
    /**
     * What vanishes with the whole lab and not before: for `deletedWith` of what lives on the lab's machines. Never a
     * machine, which may be replaced while the others go on.
     */
    readonly foundation: pulumi.Resource;
    /** The registry that machines pull application images from and that this program pushes to. */
    readonly registry: Registry;
}

/** An image registry, with the two names that the pusher and the machines know it by. */
export interface Registry {
    /** `host:port` as the Docker engine that builds the images reaches it. */
    readonly pushAddress: pulumi.Output<string>;
    /** `host:port` as machines reach it. */
    readonly pullAddress: pulumi.Output<string>;
    /** What a push has to wait for. */
    readonly ready: pulumi.Resource;
}
