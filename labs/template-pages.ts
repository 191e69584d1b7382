import type { TemplateSettings } from "../settings/template";
import { renderLabReadme } from "./readme";
import { renderTopology, type TopologyEdge } from "./topology";

/** What of the settings shows. */
type Shown = Pick<TemplateSettings, "discovery" | "instances">;

/** How HAProxy learns of instances, and what consul-template is for. */
const hearing: Record<Shown["discovery"], TopologyEdge[]> = {
    template: [
        { from: "consul", to: "templater", label: "passing instances" },
        { from: "templater", to: "haproxy", label: "configuration, reload" },
    ],
    events: [
        { from: "consul", to: "haproxy", label: "instances, the moment they change" },
        { from: "templater", to: "haproxy", label: "configuration without instances" },
    ],
    dns: [
        { from: "consul", to: "haproxy", label: "instances by DNS, ten times a second" },
        { from: "templater", to: "haproxy", label: "configuration without instances" },
    ],
};

/** The lab as a diagram: who checks, who tells HAProxy, and where requests go. */
export function templateTopology(settings: Shown, urls: Record<string, string>): string {
    const instances = Object.keys(settings.instances);
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
            ...hearing[settings.discovery],
        ],
    );
}

/** The stack's page in Pulumi's console. */
export function templateReadme({ discovery }: Shown, urls: Record<string, string>, topology: string): string {
    const more: Record<Shown["discovery"], string> = {
        template: "the guard's at `/guard/status`",
        events: "what HAProxy has heard from Consul at `/discovery`",
        dns: "the guard's at `/guard/status`",
    };
    return renderLabReadme("template", urls, topology, {
        webapp: "the web servers that pass their checks, in turn",
        haproxyStats: `HAProxy's statistics, and ${more[discovery]}; user and password are in the \`environment\` output`,
        consul: "Consul's catalogue and health checks",
    });
}
