import { type ArgumentProblem, refuseArguments } from "../security/arguments";
import { ports } from "../security/ports";
import { isServer, type NodeAddress } from "./node";
import type { NodeConfiguration, NodeFile } from "./node-files";

export interface SecureConsulArgs {
    /** Consul's datacenter; lower-case letters, digits and hyphens. */
    datacenter: string;
    /** The machine that the files are for. Its name is the agent's name in the catalogue. */
    node: NodeAddress;
    /** All servers of the cluster; the machine is one if it is among them, else it runs a client agent. */
    servers: readonly NodeAddress[];
    /**
     * The certificates (PEM) of the authorities that agents believe. While one authority takes over from another the
     * text holds both: first everybody believes both, then certificates of the new one are given out.
     */
    caPem: string;
    /**
     * A server's own certificate and key (PEM), for `server.<datacenter>.consul`, that is good for servers and for
     * clients. Clients have none here: they fetch theirs from a server, with their agent token (auto_encrypt).
     */
    certificate?: { certPem: string; keyPem: string };
    /**
     * 32 bytes in base64 with which gossip is encrypted. Read on an agent's first start only: then the agent has a
     * keyring of its own, which `gossipKeyring` (consul-acl.ts) rotates while all agents run.
     */
    gossipKey: string;
    tokens: {
        /** Secret id of the token with which the agent keeps its own node in the catalogue: a node identity. */
        agent: string;
        /** Secret id of the token with which DNS questions are answered; requests without a token do not get it. */
        dns: string;
        /** Secret id of the first management token; servers only. Servers make it when the cluster forms. */
        initialManagement?: string;
    };
    /** `INFO`, `DEBUG` … Default: `INFO`. */
    logLevel?: string;
}

/** The folder that the agent reads its configuration from. */
export const consulFolder = "/etc/consul.d";

const unit = "consul.service";

/**
 * A Consul agent that trusts nobody without a certificate, a gossip key and a token. Pure.
 *
 * | file in /etc/consul.d | what a change of it takes |
 * |---|---|
 * | `consul.json` | a restart |
 * | `peers.json` | nothing: it matters to an agent that starts, so more or fewer servers restart nobody |
 * | `gossip.json` | nothing: see `gossipKey` |
 * | `tokens.json` | a reload |
 * | `tls/*.pem` | a reload |
 *
 * The agents' API is plain HTTP on loopback alone: whoever wants it from elsewhere goes through a proxy with TLS.
 *
 * @throws pulumi.InputPropertiesError with everything that is wrong with the arguments.
 */
export function secureConsul(args: SecureConsulArgs): NodeConfiguration {
    refuse(args);
    const { certificate } = args;
    return {
        files: [
            file("consul.json", json(consulAgent(args)), "restart"),
            file("peers.json", json(consulPeers(args))),
            file("gossip.json", json({ encrypt: args.gossipKey })),
            file("tokens.json", json(consulTokens(args)), "reload"),
            file("tls/ca.pem", args.caPem, "reload"),
            ...(certificate
                ? [
                      file("tls/agent.pem", certificate.certPem, "reload"),
                      file("tls/agent-key.pem", certificate.keyPem, "reload"),
                  ]
                : []),
        ],
        units: [
            {
                name: unit,
                check: ["consul", "validate", consulFolder],
                healthy: ["python3", "-c", knowsLeader],
            },
        ],
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

function consulAgent(args: SecureConsulArgs): object {
    const server = isServer(args.node, args.servers);
    return {
        datacenter: args.datacenter,
        node_name: args.node.name,
        data_dir: "/var/lib/consul",
        log_level: args.logLevel ?? "INFO",
        server,
        bind_addr: args.node.address,
        client_addr: "127.0.0.1",
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
        tls: {
            defaults: {
                ca_file: `${consulFolder}/tls/ca.pem`,
                ...(server
                    ? {
                          cert_file: `${consulFolder}/tls/agent.pem`,
                          key_file: `${consulFolder}/tls/agent-key.pem`,
                      }
                    : {}),
                verify_incoming: true,
                verify_outgoing: true,
                tls_min_version: "TLSv1_3",
            },
            // Without it any certificate of the authority, a client's included, could pose as a server.
            internal_rpc: { verify_server_hostname: true },
        },
        auto_encrypt: server ? { allow_tls: true } : { tls: true },
        encrypt_verify_incoming: true,
        encrypt_verify_outgoing: true,
        acl: {
            enabled: true,
            default_policy: "deny",
            // While no server answers, what was allowed stays allowed: names resolve through an election.
            down_policy: "extend-cache",
            // Tokens come from the file alone, so that a new file is the new truth.
            enable_token_persistence: false,
        },
        // The mesh carries nothing that an intention does not allow.
        connect: { enabled: true },
        default_intention_policy: "deny",
        enable_central_service_config: true,
        enable_script_checks: false,
        enable_local_script_checks: false,
        disable_remote_exec: true,
        disable_update_check: true,
        // A restart is no farewell: who leaves for good says so (`consul leave`). A client that left on every restart
        // would take its services out of the catalogue for that time.
        leave_on_terminate: false,
        skip_leave_on_interrupt: true,
        performance: { raft_multiplier: 1 },
        ...(server
            ? {
                  ui_config: { enabled: true },
                  // Taken over by a new cluster only: later the cluster keeps its own copy.
                  autopilot: {
                      cleanup_dead_servers: true,
                      // The default, 200 ms, calls a busy machine with two cores unhealthy.
                      last_contact_threshold: "1s",
                      // How long a new server must be healthy before it votes; every rolled server waits for it.
                      server_stabilization_time: "5s",
                  },
              }
            : {}),
        // Only healthy instances, never a cached answer.
        dns_config: { only_passing: true, node_ttl: "0s", service_ttl: { "*": "0s" } },
        // Names of other domains are dnsmasq's, which asks this agent for Consul's alone.
        recursors: [],
        // Everything on the machine comes from one address; consul-template alone holds a connection for each service.
        limits: { http_max_conns_per_client: 4000 },
        telemetry: { prometheus_retention_time: "1m", disable_hostname: true },
    };
}

function consulPeers({ node, servers }: SecureConsulArgs): object {
    const peers = servers.filter(({ name }) => name !== node.name).map(({ address }) => address);
    return {
        // Consul looks at it until there has once been a leader.
        ...(isServer(node, servers) ? { bootstrap_expect: servers.length } : {}),
        retry_join: peers,
        retry_interval: "1s",
    };
}

function consulTokens({ tokens }: SecureConsulArgs): object {
    return {
        acl: {
            tokens: {
                agent: tokens.agent,
                dns: tokens.dns,
                ...(tokens.initialManagement ? { initial_management: tokens.initialManagement } : {}),
            },
        },
    };
}

function file(name: string, content: string, change?: "reload" | "restart"): NodeFile {
    return {
        path: `${consulFolder}/${name}`,
        content,
        mode: "0640",
        owner: "root:consul",
        ...(change ? { unit: { name: unit, change } } : {}),
    };
}

function json(value: object): string {
    return `${JSON.stringify(value, undefined, 2)}\n`;
}

/** Never with a secret in the message. */
function refuse(args: SecureConsulArgs): void {
    const server = isServer(args.node, args.servers);
    const problems: ArgumentProblem[] = [];
    const refuseWhen = (wrong: boolean, propertyPath: string, reason: string): void => {
        if (wrong) {
            problems.push({ propertyPath, reason });
        }
    };
    refuseWhen(args.servers.length === 0, "servers", "a cluster needs at least one server");
    refuseWhen(!args.caPem.includes("BEGIN CERTIFICATE"), "caPem", "is no certificate in PEM");
    refuseWhen(
        Buffer.from(args.gossipKey, "base64").length !== 32,
        "gossipKey",
        "must be 32 bytes in base64, e.g. a RandomBytes with length 32",
    );
    for (const [name, secret] of Object.entries(args.tokens)) {
        refuseWhen(
            secret !== undefined && !uuid.test(secret),
            `tokens.${name}`,
            "must be a UUID in lower case",
        );
    }
    refuseWhen(server && !args.certificate, "certificate", "a server needs its own");
    refuseWhen(
        !server && args.certificate !== undefined,
        "certificate",
        "a client gets its own from a server; leave it out",
    );
    refuseWhen(
        server && !args.tokens.initialManagement,
        "tokens.initialManagement",
        "servers make the first management token",
    );
    refuseWhen(
        !server && args.tokens.initialManagement !== undefined,
        "tokens.initialManagement",
        "must not be on a client; leave it out",
    );
    refuseArguments(`Consul on ${args.node.name}`, problems);
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
