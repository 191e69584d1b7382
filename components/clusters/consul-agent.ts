import { ports } from "../security/ports";
import { autopilot, isServer, type NodeAddress, peersOf } from "./node";
import type { NodeUnit } from "./node-files";

/** A Consul agent's place in its cluster. */
export interface ConsulAgentArgs {
    /** Consul's datacenter; lower-case letters, digits and hyphens. */
    datacenter: string;
    /** The machine that the files are for. Its name is the agent's name in the catalogue. */
    node: NodeAddress;
    /** All servers of the cluster; the machine is one if it is among them, else it runs a client agent. */
    servers: readonly NodeAddress[];
    /** `INFO`, `DEBUG` … Default: `INFO`. */
    logLevel?: string;
}

/** The folder that the agent reads its configuration from. */
export const consulFolder = "/etc/consul.d";

export const consulUnit = "consul.service";

/**
 * A server that starts answers as soon as there is a leader, from its last snapshot and whatever it has played of its log
 * since: for a tenth of a second and more, instances of an hour ago. Whoever follows DNS then sends requests where nobody
 * listens any more. With Consul's own bounds (16384 entries, 30 s) a small cluster never has a snapshot at all.
 */
export const recentSnapshots = { raft_snapshot_threshold: 64, raft_snapshot_interval: "5s" };

/** What every agent is told, in Consul's own words, whomever it trusts; without its peers. Pure. */
export function consulAgent(args: ConsulAgentArgs) {
    const server = isServer(args.node, args.servers);
    return {
        datacenter: args.datacenter,
        node_name: args.node.name,
        data_dir: "/var/lib/consul",
        log_level: args.logLevel ?? "INFO",
        server,
        bind_addr: args.node.address,
        ports: {
            http: ports.consulHttp.from,
            https: -1,
            // Envoy reaches it through a socket that Nomad makes in the allocation, from this very machine, and shows
            // its token. The port with TLS would ask Envoy for a client certificate (verify_incoming) that neither
            // Nomad nor auto_encrypt has for it, and would encrypt what never leaves the machine.
            grpc: ports.consulGrpc.from,
            grpc_tls: -1,
            dns: ports.consulDns.from,
            // One datacenter.
            serf_wan: -1,
        },
        // The mesh carries nothing that an intention does not allow.
        connect: { enabled: true },
        default_intention_policy: "deny",
        // Nomad registers services through the agent; their upstream defaults live in the catalogue.
        enable_central_service_config: true,
        enable_script_checks: false,
        enable_local_script_checks: false,
        disable_remote_exec: true,
        disable_update_check: true,
        // A restart is no farewell: who leaves for good says so (`consul leave`). A client that left on every restart
        // would take its services out of the catalogue for that time.
        leave_on_terminate: false,
        skip_leave_on_interrupt: true,
        // 1 would be an election after a second without a word, which two busy cores can be for no reason.
        // Requests wait for a leader that long. An election that has to be repeated takes more than Consul's 7 s.
        performance: { raft_multiplier: 2, rpc_hold_timeout: "10s" },
        ...(server ? { ui_config: { enabled: true }, ...recentSnapshots } : {}),
        // Only healthy instances, never a cached answer.
        dns_config: { only_passing: true, node_ttl: "0s", service_ttl: { "*": "0s" } },
        // Everything on the machine comes from one address; consul-template alone holds a connection for each service.
        limits: { http_max_conns_per_client: 4000 },
        telemetry: { prometheus_retention_time: "1m", disable_hostname: true },
    };
}

/** What matters to an agent that starts: in a file of its own, so that more or fewer servers restart nobody. Pure. */
export function consulPeers({ node, servers }: Pick<ConsulAgentArgs, "node" | "servers">): object {
    const peers = servers.filter(({ name }) => name !== node.name).map(({ address }) => address);
    return {
        // Consul looks at them until there has once been a leader.
        ...(isServer(node, servers)
            ? { bootstrap_expect: servers.length, autopilot: autopilot(servers) }
            : {}),
        retry_join: peers,
        retry_interval: "1s",
    };
}

/** The agent's unit, with what tells whether its files are right and whether it does its work. Pure. */
export function consulService({ node, servers }: Pick<ConsulAgentArgs, "node" | "servers">): NodeUnit {
    return {
        name: consulUnit,
        check: ["consul", "validate", consulFolder],
        healthy: ["python3", "-c", knowsLeader],
        peers: peersOf(node, servers, ports.consulGossip.from),
    };
}

/**
 * Succeeds when the agent has a way to the cluster's leader. Who leads is no secret in Consul, so this needs no token;
 * a client's API is not even there before it has its certificate.
 */
const knowsLeader = [
    "import sys, urllib.request as r",
    "opener = r.build_opener(r.ProxyHandler({}))",
    `answer = opener.open("http://127.0.0.1:${ports.consulHttp.from}/v1/status/leader", timeout=3).read()`,
    `sys.exit(0 if answer.strip(b'"\\n') else "no leader")`,
].join("; ");
