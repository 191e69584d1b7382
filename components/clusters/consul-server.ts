import * as consul from "@pulumi/consul";
import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";

import type { ContainerNetwork } from "../containers/network";
import { httpReady } from "../containers/ready";
import { ports } from "../security/ports";
import { recentSnapshots } from "./consul-agent";

export interface ConsulServerArgs {
    network: ContainerNetwork;
    /** Its address in the network. Fixed: Consul remembers it over restarts. */
    address: string;
    /** The base image `consul`. */
    image: pulumi.Input<string>;
    /** Lower-case letters, digits and hyphens. A change replaces the container; its data stay. */
    datacenter: string;
    /** Port on 127.0.0.1 for the HTTP API and the UI. */
    publishedPort: number;
}

/** A lone Consul server in a container, with its data on a volume; its outputs wait until it leads. */
export class ConsulServer extends pulumi.ComponentResource {
    /** The HTTP API and UI as the operator reaches them, e.g. `http://127.0.0.1:8510`. */
    readonly address: pulumi.Output<string>;
    /** Manages this server's own resources. */
    readonly provider: consul.Provider;
    readonly container: docker.Container;

    constructor(name: string, args: ConsulServerArgs, opts?: pulumi.ComponentResourceOptions) {
        super("gatehouse:clusters:ConsulServer", name, {}, opts);
        const data = args.network.volume(`${name}-data`, { parent: this });
        this.container = args.network.run(
            name,
            {
                image: args.image,
                roles: ["consul"],
                address: args.address,
                publishedPorts: { [ports.consulHttp.from]: args.publishedPort },
                volumes: [{ volumeName: data.name, containerPath: "/consul/data" }],
                uploads: [{ file: "/consul/config/consul.json", content: consulServerConfig(args) }],
                destroyGraceSeconds: 5,
            },
            { parent: this },
        );
        const api = `http://127.0.0.1:${args.publishedPort}`;
        const ready = httpReady(
            name,
            // The leader's address; without one the answer is an empty string.
            { url: `${api}/v1/status/leader`, text: args.address, triggers: [this.container.id] },
            { parent: this },
        );
        // A provider's dependencies are not its resources': they wait for its address.
        this.address = ready.id.apply(() => api);
        this.provider = new consul.Provider(
            `${name}-provider`,
            { address: this.address, datacenter: args.datacenter },
            { parent: this, dependsOn: [ready] },
        );
        this.registerOutputs({ address: this.address });
    }
}

/** The server's configuration file. Pure. */
export function consulServerConfig(args: { address: string; datacenter: string }): string {
    return JSON.stringify(
        {
            server: true,
            bootstrap_expect: 1,
            datacenter: args.datacenter,
            node_name: "consul",
            bind_addr: args.address,
            client_addr: "0.0.0.0",
            ui_config: { enabled: true },
            ports: { grpc: -1, grpc_tls: -1, serf_wan: -1 },
            // There is nobody to wait for.
            performance: { raft_multiplier: 1 },
            ...recentSnapshots,
            // consul-template holds a connection open for each service that it follows.
            limits: { http_max_conns_per_client: 4000 },
            disable_update_check: true,
            log_level: "WARN",
        },
        undefined,
        2,
    );
}
