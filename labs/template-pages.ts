import { renderLabReadme } from "./readme";
import { renderTopology } from "./topology";

/** The lab as a diagram: who checks, who renders, and where requests go. */
export function templateTopology(instances: string[], urls: Record<string, string>): string {
    return renderTopology(
        [
            { id: "you", label: "you" },
            { id: "haproxy", label: "haproxy" },
            { id: "templater", label: "consul-template" },
            { id: "consul", label: "Consul" },
            { id: "monitor", label: "monitor" },
            { id: "web", label: "service web" },
            ...instances.map((name) => ({ id: `instance-${name}`, label: name, inside: "web" })),
        ],
        [
            { from: "you", to: "haproxy", label: urls.webapp },
            ...instances.map((name) => ({ from: "haproxy", to: `instance-${name}` })),
            { from: "monitor", to: "web", label: "health checks" },
            { from: "monitor", to: "consul", label: "verdicts" },
            { from: "consul", to: "templater", label: "passing instances" },
            { from: "templater", to: "haproxy", label: "configuration, reload" },
        ],
    );
}

/** The stack's page in Pulumi's console. */
export function templateReadme(urls: Record<string, string>, topology: string): string {
    return renderLabReadme("template", urls, topology, {
        webapp: "the web servers that pass their checks, in turn",
        haproxyStats:
            "HAProxy's statistics, and the guard's at `/guard/status`; user and password are in the `environment` output",
        consul: "Consul's catalogue and health checks",
    });
}
