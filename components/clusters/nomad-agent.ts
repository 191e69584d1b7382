import { ports } from "../security/ports";
import { autopilot, isServer, type NodeAddress, peersOf } from "./node";
import type { NodeUnit } from "./node-files";

/** What a Nomad client runs tasks with. */
export interface NomadClientArgs {
    /** Image of the Envoy sidecars, as this machine's engine pulls it. */
    sidecarImage: string;
    /** Image of the mesh's gateways. Default: the sidecars' image. */
    gatewayImage?: string;
    /** Image of the container that holds a group's network namespace; all it has to do is idle. */
    infraImage: string;
    /** Privileged containers in jobs. Default: false. */
    allowPrivileged?: boolean;
    /** Further client metadata that jobs can place constraints on. */
    meta?: Record<string, string>;
}

/** A Nomad agent's place in its cluster. */
export interface NomadAgentArgs {
    /** Nomad's datacenter, the one that jobs name. The same as Consul's. */
    datacenter: string;
    /** Nomad's region. Default: `global`. */
    region?: string;
    /** The machine that the files are for. Its name is the agent's name. */
    node: NodeAddress;
    /** All servers of the cluster; the machine is one if it is among them. */
    servers: readonly NodeAddress[];
    /** What makes the agent a client: what it runs tasks with. */
    client?: NomadClientArgs;
    /**
     * The interface whose address jobs get, where it is not the one of the default route: on clouds, where that
     * one is public. May be a go-sockaddr template. Default: the default route's.
     */
    networkInterface?: string;
    /** `INFO`, `DEBUG` … Default: `INFO`. */
    logLevel?: string;
}

/** The folder that the agent reads its configuration from. */
export const nomadFolder = "/etc/nomad.d";

export const nomadUnit = "nomad.service";

/** What every agent is told, in Nomad's own words, whomever it trusts; without its peers. Pure. */
export function nomadAgent(args: NomadAgentArgs) {
    const { address } = args.node;
    return {
        datacenter: args.datacenter,
        region: args.region ?? "global",
        name: args.node.name,
        data_dir: "/var/lib/nomad",
        log_level: args.logLevel ?? "INFO",
        bind_addr: "0.0.0.0",
        advertise: { http: address, rpc: address, serf: address },
        leave_on_interrupt: false,
        // systemd stops the agent with SIGINT, which is no farewell; see files/presence.py.
        leave_on_terminate: true,
        disable_update_check: true,
        // Peers are told by address: finding them through Consul takes minutes, not seconds.
        consul: {
            address: `127.0.0.1:${ports.consulHttp.from}`,
            grpc_address: `127.0.0.1:${ports.consulGrpc.from}`,
            client_auto_join: false,
            server_auto_join: false,
            // An allocation whose login fails is given up at once. Consul holds a login while there is no leader
            // (consul-agent.ts), on the way and at the server; Nomad's default of 5 s ends it before. Whoever holds an
            // answer back for longer does not answer at all.
            timeout: "30s",
        },
        rpc,
        telemetry: { publish_allocation_metrics: true, publish_node_metrics: true, prometheus_metrics: true },
        ui: {
            enabled: true,
            label: { text: args.datacenter },
        },
        ...(isServer(args.node, args.servers) ? { server } : {}),
        ...(args.client ? clientBlocks(args, args.client) : {}),
    };
}

/**
 * Who is cut off sends no farewell: a peer knows by a ping that is not answered within 10 s (`connection_write_timeout`,
 * the default). With a ping every 5 s it has noticed after 15 s; Nomad's default is one every 30 s.
 */
const rpc = { keep_alive_interval: "5s" };

const server = {
    enabled: true,
    // As Consul's (consul-agent.ts).
    raft_multiplier: 2,
    /*
     * Nomad gives a client up 25 to 30 s after its last sign of life, and places its work elsewhere. Earlier would be
     * wrong: a client whose server is cut off needs 15 s to notice (see `rpc`) and up to 2 s to tell another one. With
     * less, all that it runs would be called lost, and stopped as soon as it is heard again. Balancers do not wait for
     * Nomad: they hear from Consul within seconds that a machine is gone.
     */
    min_heartbeat_ttl: "5s",
    heartbeat_grace: "20s",
};

function clientBlocks(args: NomadAgentArgs, client: NomadClientArgs) {
    return {
        client: {
            enabled: true,
            ...(args.networkInterface ? { network_interface: args.networkInterface } : {}),
            // Debian's package containernetworking-plugins.
            cni_path: "/usr/lib/cni",
            options: {
                // Nothing runs on a machine but containers.
                "driver.allowlist": "docker",
                // Asking a cloud's metadata service takes seconds where there is none, and jobs do not use it.
                "fingerprint.denylist": "env_aws,env_azure,env_digitalocean,env_gce",
            },
            // Consul's mesh: read by Nomad's Connect support.
            meta: {
                "connect.sidecar_image": client.sidecarImage,
                "connect.gateway_image": client.gatewayImage ?? client.sidecarImage,
                ...client.meta,
            },
        },
        plugin: [
            {
                docker: [
                    {
                        config: [
                            {
                                allow_privileged: client.allowPrivileged ?? false,
                                infra_image: client.infraImage,
                                // Host paths in jobs; a task's own folders are mounted without it.
                                volumes: [{ enabled: false }],
                                // Images that the next deployment needs again stay for a while.
                                gc: [{ image: true, image_delay: "1h", container: true }],
                                extra_labels: ["job_name", "task_group_name", "task_name"],
                            },
                        ],
                    },
                ],
            },
        ],
    };
}

/**
 * What an agent looks at when it starts, and a server when it makes the cluster: in a file of its own, so that more or
 * fewer servers restart nobody. Pure.
 */
export function nomadPeers({
    node,
    servers,
    client,
}: Pick<NomadAgentArgs, "node" | "servers" | "client">): object {
    const peers = servers.filter(({ name }) => name !== node.name).map(({ address }) => address);
    const join = peers.length > 0 ? { server_join: { retry_join: peers, retry_interval: "1s" } } : {};
    if (!isServer(node, servers)) {
        return { client: join };
    }
    return {
        // Nomad looks at it until there has once been a leader.
        server: { bootstrap_expect: servers.length, ...join },
        // The client in a server asks that server.
        ...(client ? { client: { servers: [`127.0.0.1:${ports.nomadRpc.from}`] } } : {}),
        autopilot: autopilot(servers),
    };
}

/**
 * The agent's unit, with what tells whether its files are right and whether it does its work. Pure.
 *
 * @param health the agent's address of its own health, which needs no token: a server's is good when it knows a leader, a
 *     client's when it knows servers
 * @param trust what `curl` needs to believe it. Default: nothing
 */
export function nomadService(
    { node, servers }: Pick<NomadAgentArgs, "node" | "servers">,
    health: string,
    trust: string[] = [],
): NodeUnit {
    return {
        name: nomadUnit,
        check: ["nomad", "config", "validate", nomadFolder],
        healthy: [
            "curl",
            ...["--silent", "--show-error", "--fail", "--noproxy", "*", "--max-time", "5"],
            ...["--output", "/dev/null", ...trust, health],
        ],
        peers: peersOf(node, servers, ports.nomadRpc.from),
    };
}
