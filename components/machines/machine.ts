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

/** Where one port is reached from outside: on Docker a port on 127.0.0.1. */
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
    /**
     * Machines that share this word go to different hosts of the provider where the substrate can see to that, so that a
     * host's failure takes one of them. Default: wherever there is room. A change moves the machine at most.
     */
    apart?: string;
}

/** A booted host. Everything above `components/machines/` sees machines through this interface only. */
export interface Machine {
    readonly name: string;
    readonly roles: string[];
    /** For its peers. */
    readonly privateAddress: pulumi.Output<string>;
    /** For operators and clients. */
    readonly publicAddress: pulumi.Output<string>;
    /** Whether the machine has an interface for its public address, by which its default route leaves. */
    readonly publicInterface: boolean;
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
    /**
     * Whether an {@link ingress} spreads requests over all of its machines. Each of them publishes the ports then;
     * otherwise only the first does.
     */
    readonly balances: boolean;
    /** The way of the users' requests to machines. */
    ingress(name: string, args: IngressArgs): Ingress;
}

export interface IngressArgs {
    /** Machines that can serve the ports; at least one. */
    machines: Machine[];
    /** Ports for the public that every machine publishes that takes requests. */
    ports: number[];
}

/** Where users' requests come in. */
export interface Ingress {
    /** Where requests go: what serves the ports has to run on each of them. */
    readonly machines: Machine[];
    /** The address that users call; throws on a port that is not among the ingress's. */
    endpoint(port: number): pulumi.Output<Endpoint>;
    /** Networks whose connections begin with a PROXY header, which says who calls; empty where nothing is in between. */
    readonly proxySources: readonly string[];
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
