/** Who has reason to open a port: firewalls of every substrate are made from this. */
export type Audience =
    /** Operators, from the addresses that the stack names. */
    | "operators"
    /** Anyone. */
    | "public"
    /** The lab's other machines. */
    | "peers";

export interface PortRule {
    /** The first port of the range, or the only one. */
    from: number;
    /** The last port of the range. */
    to: number;
    protocols: readonly ("tcp" | "udp")[];
    /** Nobody: the port is for the machine itself and its containers; no firewall opens it. */
    audiences: readonly Audience[];
    /** For the rule's comment where a firewall has one. */
    purpose: string;
}

function one(
    port: number,
    purpose: string,
    audiences: readonly Audience[],
    protocols: PortRule["protocols"] = ["tcp"],
): PortRule {
    return { from: port, to: port, protocols, audiences, purpose };
}

const both = ["tcp", "udp"] as const;

/**
 * Every port that a machine may be reached on. The numbers are the defaults of the software itself
 * (developer.hashicorp.com/consul/docs/install/ports, developer.hashicorp.com/nomad/docs/install/production/
 * requirements, etcd.io/docs), so that its own tools work without arguments.
 */
export const ports = {
    ssh: one(22, "SSH", ["operators"]),
    dns: one(53, "dnsmasq, for the machine's own containers", [], both),

    http: one(80, "HAProxy, HTTP", ["public"]),
    https: one(443, "HAProxy, HTTPS", ["public"]),
    haproxyStats: one(1936, "HAProxy, statistics and metrics", ["operators"]),
    etcdBalancerStats: one(8888, "HAProxy of the etcd lab, statistics and metrics", ["operators"]),

    consulServer: one(8300, "Consul, server RPC", ["peers"]),
    consulGossip: one(8301, "Consul, gossip", ["peers"], both),
    consulHttp: one(8500, "Consul, HTTP API and UI", ["operators", "peers"]),
    consulHttps: one(8501, "Consul, HTTPS API and UI", ["operators", "peers"]),
    consulGrpc: one(8502, "Consul, gRPC for Envoy", ["peers"]),
    consulGrpcTls: one(8503, "Consul, gRPC with TLS", ["peers"]),
    consulDns: one(8600, "Consul, DNS", ["peers"], both),

    nomadOperators: one(4643, "Nomad, HTTPS API and UI through HAProxy", ["operators"]),
    nomadHttp: one(4646, "Nomad, HTTP API and UI", ["operators", "peers"]),
    nomadRpc: one(4647, "Nomad, RPC", ["peers"]),
    nomadGossip: one(4648, "Nomad, gossip", ["peers"], both),
    nomadDynamic: {
        from: 20000,
        to: 32000,
        protocols: both,
        audiences: ["peers"],
        purpose: "Nomad, dynamic ports of jobs",
    },

    registry: one(5000, "image registry", ["peers"]),

    etcdClient: one(2379, "etcd, clients", ["operators", "peers"]),
    etcdPeer: one(2380, "etcd, peers", ["peers"]),
} as const satisfies Record<string, PortRule>;

export type PortName = keyof typeof ports;

/** The rules of the named ports that one audience gets; with no names, of all ports. */
export function rulesFor(audience: Audience, names: readonly PortName[] = portNames): PortRule[] {
    return names.map((name): PortRule => ports[name]).filter((rule) => rule.audiences.includes(audience));
}

const portNames = Object.keys(ports) as PortName[];
