import * as consul from "@pulumi/consul";
import * as pulumi from "@pulumi/pulumi";

import { type CloudConfig, consulRole } from "../../cloud-init";
import type { Machine } from "../machines/machine";
import { ports } from "../security/ports";
import { isServer, type NodeAddress } from "./node";
import { clusterReadiness } from "./readiness";

export interface ConsulNodeArgs {
    /** Consul's datacenter; lower-case letters, digits and hyphens. */
    datacenter: string;
    /** The machine that the document is for. */
    node: NodeAddress;
    /** All servers of the cluster; the machine is one if it is among them, else it runs a client agent. */
    servers: readonly NodeAddress[];
}

/** What makes a machine a member of a Consul cluster: a part of its cloud-init document. Pure. */
export function consulNode(args: ConsulNodeArgs): CloudConfig {
    return consulRole({
        datacenter: args.datacenter,
        nodeName: args.node.name,
        address: args.node.address,
        server: isServer(args.node, args.servers),
        serverAddresses: args.servers.map((server) => server.address),
    });
}

export interface ConsulClusterArgs {
    /** Consul's datacenter, as in the machines' documents. */
    datacenter: string;
    /** Machines whose agents are servers. The first must publish Consul's HTTP port. */
    servers: readonly Machine[];
    /** Machines whose agents are clients. Default: none. */
    clients?: readonly Machine[];
}

/** A Consul cluster on machines that booted with {@link consulNode}; its outputs wait until it is complete. */
export class ConsulCluster extends pulumi.ComponentResource {
    /** The HTTP API and UI as the operator reaches them, e.g. `http://127.0.0.1:8500`. */
    readonly address: pulumi.Output<string>;
    /** Manages this cluster's own resources. */
    readonly provider: consul.Provider;
    /** Done when there is a leader and every agent is a member. */
    readonly readiness: pulumi.Resource;

    constructor(name: string, args: ConsulClusterArgs, opts?: pulumi.ComponentResourceOptions) {
        super("gatehouse:clusters:ConsulCluster", name, {}, opts);
        const port = ports.consulHttp.from;
        const ready = clusterReadiness(
            name,
            {
                script: "consul-ready.py",
                api: `http://127.0.0.1:${port}`,
                servers: args.servers,
                clients: args.clients ?? [],
            },
            { parent: this },
        );
        const endpoint = pulumi
            .all([args.servers[0]!.endpoint(port), ready.stdout])
            .apply(([{ host, port: published }]) => `${host}:${published}`);
        this.readiness = ready;
        this.address = pulumi.interpolate`http://${endpoint}`;
        this.provider = new consul.Provider(
            `${name}-provider`,
            // With the datacenter set the provider does not ask the agent for it, which a preview could not.
            { address: endpoint, scheme: "http", datacenter: args.datacenter },
            { parent: this, dependsOn: [ready] },
        );
        this.registerOutputs({ address: this.address });
    }
}
