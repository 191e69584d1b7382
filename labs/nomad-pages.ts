import type { Propagation } from "../components/balancers/propagation";
import type { PlannedNode } from "./node-plan";
import { propagationSection, renderLabReadme } from "./readme";
import { renderTopology, type TopologyEdge, type TopologyNode } from "./topology";

/** The lab as a diagram: machines, what runs on them, and who calls whom. */
export function nomadTopology(
    nodes: PlannedNode[],
    webappCount: number,
    urls: Record<string, string>,
): string {
    const machines = nodes.map((node): TopologyNode => ({ id: node.name, label: node.name }));
    const agents = nodes.map((node): TopologyNode => ({
        id: `${node.name}-agents`,
        label: node.server ? "Consul and Nomad servers" : "Consul and Nomad clients",
        inside: node.name,
    }));
    const jobs: TopologyNode[] = [
        { id: "jobs", label: "Nomad jobs" },
        { id: "haproxy", label: "haproxy", inside: "jobs" },
        { id: "webapp", label: `demo-webapp × ${webappCount}`, inside: "jobs" },
        { id: "dashboard", label: "count-dashboard", inside: "jobs" },
        { id: "api", label: "count-api", inside: "jobs" },
    ];
    const edges: TopologyEdge[] = [
        { from: "you", to: "haproxy", label: urls.webapp },
        { from: "you", to: "dashboard", label: urls.dashboard },
        { from: "haproxy", to: "webapp", label: "round robin" },
        { from: "dashboard", to: "api", label: "mesh" },
        ...agents.map(({ id }) => ({ from: id, to: "jobs", label: "instances, scheduling" })),
    ];
    return renderTopology([{ id: "you", label: "you" }, ...machines, ...agents, ...jobs], edges);
}

/** The stack's page in Pulumi's console. */
export function nomadReadme(
    urls: Record<string, string>,
    topology: string,
    propagation: Propagation,
): string {
    const shows = {
        webapp: "the web application through HAProxy",
        haproxyStats: "HAProxy's statistics; user and password are in the `environment` output",
        consul: "Consul's catalogue, health checks and intentions",
        nomad: "Nomad's jobs, allocations and logs",
        dashboard: "a counter that two Envoy sidecars connect",
    };
    return renderLabReadme("nomad", urls, topology, shows, propagationSection(propagation));
}
