import * as nomad from "@pulumi/nomad";
import * as pulumi from "@pulumi/pulumi";

import { type CloudConfig, type NomadClientArgs, nomadRole } from "../../cloud-init";
import type { Machine } from "../machines/machine";
import { ports } from "../security/ports";
import { isServer, type NodeAddress } from "./node";
import { clusterReadiness } from "./readiness";

export interface NomadNodeArgs {
    /** Nomad's datacenter, the one that jobs name. */
    datacenter: string;
    /** The machine that the document is for. */
    node: NodeAddress;
    /** All servers of the cluster; the machine is one if it is among them. */
    servers: readonly NodeAddress[];
    /** Makes the machine run jobs. A server that is a client too is for demo labs. */
    client?: NomadClientArgs;
    /** The interface whose address jobs get. Default: the default route's. */
    networkInterface?: string;
}

/** What makes a machine a member of a Nomad cluster: a part of its cloud-init document. Pure. */
export function nomadNode(args: NomadNodeArgs): CloudConfig {
    return nomadRole({
        datacenter: args.datacenter,
        nodeName: args.node.name,
        address: args.node.address,
        server: isServer(args.node, args.servers),
        serverAddresses: args.servers.map((server) => server.address),
        client: args.client,
        networkInterface: args.networkInterface,
    });
}

export interface NomadClusterArgs {
    /** Machines whose agents are servers. The first must publish Nomad's HTTP port. */
    servers: readonly Machine[];
    /** Machines that run jobs; servers that do so as well are named here again. */
    clients: readonly Machine[];
}

/** A Nomad cluster on machines that booted with {@link nomadNode}; its outputs wait until it is complete. */
export class NomadCluster extends pulumi.ComponentResource {
    /** The HTTP API and UI as the operator reaches them, e.g. `http://127.0.0.1:4646`. */
    readonly address: pulumi.Output<string>;
    /** Manages this cluster's jobs. */
    readonly provider: nomad.Provider;
    /** Done when there is a leader and every client can run jobs in containers and bridges. */
    readonly readiness: pulumi.Resource;

    constructor(name: string, args: NomadClusterArgs, opts?: pulumi.ComponentResourceOptions) {
        super("gatehouse:clusters:NomadCluster", name, {}, opts);
        const port = ports.nomadHttp.from;
        const ready = clusterReadiness(
            name,
            {
                script: "nomad-ready.py",
                api: `http://127.0.0.1:${port}`,
                servers: args.servers,
                clients: args.clients,
            },
            { parent: this },
        );
        this.readiness = ready;
        this.address = pulumi
            .all([args.servers[0]!.endpoint(port), ready.stdout])
            .apply(([{ host, port: published }]) => `http://${host}:${published}`);
        this.provider = new nomad.Provider(
            `${name}-provider`,
            { address: this.address },
            { parent: this, dependsOn: [ready] },
        );
        this.registerOutputs({ address: this.address });
    }
}
