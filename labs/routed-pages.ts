import type { FirstToEnd } from "../components/security/expiry";
import type { RoutedNode } from "../settings/routed";
import { certificateLine, renderLabReadme } from "./readme";
import { renderTopology, type TopologyEdge, type TopologyNode } from "./topology";

/** What the diagram tells beside the machines. */
export interface RoutedTopologyArgs {
    nodes: RoutedNode[];
    /** Instances of the services by their names. */
    instances: { helloworld: number; webapp: number };
    /** The stack's `urls`: `http`, `consul`, `nomad`, `dashboard`. */
    urls: Record<string, string>;
}

/**
 * The lab as a diagram: servers, clients by pool, the balancer that every machine has, and who calls whom. The first
 * machine of each kind stands for all where lines would only repeat themselves.
 */
export function routedTopology({ nodes, instances, urls }: RoutedTopologyArgs): string {
    const servers = nodes.filter(({ pool }) => pool === undefined);
    const clients = nodes.filter(({ pool }) => pool !== undefined);
    const pools = [...new Set(clients.map(({ pool }) => pool!))];
    const machines = [
        ...machine(servers, "servers", "Consul and Nomad servers"),
        ...clients.flatMap((node) => machine([node], poolId(node.pool!), "Consul and Nomad clients")),
    ];
    const boxes: TopologyNode[] = [
        { id: "operator", label: "operator" },
        ...(clients.length > 0 ? [{ id: "you", label: "you" }] : []),
        { id: "servers", label: "servers: elect a leader, run no jobs" },
        ...pools.map((pool) => ({ id: poolId(pool), label: `pool ${pool}` })),
        ...machines,
    ];
    const jobs: TopologyNode[] = [
        { id: "jobs", label: "Nomad jobs" },
        { id: "helloworld", label: `helloworld × ${instances.helloworld}`, inside: "jobs" },
        { id: "webapp", label: `demo-webapp × ${instances.webapp}`, inside: "jobs" },
        { id: "hidden", label: "hidden: not routed", inside: "jobs" },
        { id: "dashboard", label: "count-dashboard", inside: "jobs" },
        { id: "api", label: "count-api", inside: "jobs" },
    ];
    const [server] = servers;
    const [client] = clients;
    const edges: TopologyEdge[] = [
        ...(server ? operators(server, urls) : []),
        ...(client
            ? [
                  { from: "you", to: balancerOf(client), label: `${urls.http}, by Host` },
                  { from: "you", to: "dashboard", label: urls.dashboard },
                  { from: "dashboard", to: "api", label: "mesh" },
                  ...clients.flatMap((node) =>
                      ["helloworld", "webapp"].map((job) => ({ from: balancerOf(node), to: job })),
                  ),
                  ...pools.map((pool) => ({
                      from: "servers",
                      to: poolId(pool),
                      label: "catalogue, scheduling",
                  })),
              ]
            : []),
    ];
    return renderTopology(client ? [...boxes, ...jobs] : boxes, edges);
}

/** The stack's page in Pulumi's console. */
export function routedReadme(
    urls: Record<string, string>,
    topology: string,
    certificate: FirstToEnd,
): string {
    const byHost = "`curl -H 'Host: helloworld.service'`";
    // Browsers take every name below localhost for this computer.
    const local = urls["http"]?.includes("//127.0.0.1:") ?? false;
    const page = renderLabReadme("routed", urls, topology, {
        http: local
            ? `the first client's balancer: open http://helloworld.service.localhost on its port, or ${byHost}`
            : `the clients' balancers: ${byHost}`,
        consul: "Consul, behind TLS and a password: the CA, user, password and token are in the `environment` output",
        nomad: "Nomad, likewise",
        dashboard: "a counter that two Envoy sidecars connect",
    });
    return `${page}\n${certificateLine(certificate)}\n`;
}

/** Each machine with its agents and its balancer. */
function machine(nodes: RoutedNode[], inside: string, agents: string): TopologyNode[] {
    return nodes.flatMap(({ name }) => [
        { id: name, label: name, inside },
        { id: `${name}-agents`, label: agents, inside: name },
        { id: balancerOf({ name }), label: "HAProxy for *.service", inside: name },
    ]);
}

function operators(server: RoutedNode, urls: Record<string, string>): TopologyEdge[] {
    return ["consul", "nomad"].map((api) => ({
        from: "operator",
        to: balancerOf(server),
        label: `${urls[api]}, password`,
    }));
}

function balancerOf({ name }: RoutedNode): string {
    return `${name}-balancer`;
}

/** A pool's box; every machine's name ends with a number. */
function poolId(pool: string): string {
    return `${pool}.pool`;
}
