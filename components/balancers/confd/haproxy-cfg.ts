import { ports } from "../../security/ports";
import type { EtcdBalancerArgs } from "../etcd-balancer";
import { confdAsset } from "./files";
import { eventsSections } from "./events-cfg";

/** HAProxy's ports on the machine, on all of its addresses. */
export const etcdBalancerPorts = { http: ports.http.from, stats: ports.etcdBalancerStats.from } as const;

/** What differs from one form of discovery to the other. One that begins a line of its own may be empty. */
export interface DiscoverySections {
    /** A comment that changes with etcd's files, in `global`. */
    files: string;
    /** Of HAProxy's own messages, in `global`. */
    level: "info" | "err";
    module: string;
    /** Where servers' state comes from after a reload. */
    state: "global" | "none";
    /** Rule in `frontend http`. */
    wait: string;
    guard: string;
    /** How servers' names in cookies are made; after `prefix`. */
    dynamic: string;
    servers: string;
    /** Rules in `frontend stats`. */
    pages: string;
    /** Sections. */
    source: string;
}

/** Servers are filled in on the machine by `haproxy-entries`. */
const rendered: DiscoverySections = {
    files: "",
    level: "info",
    module: "",
    state: "global",
    wait: "",
    guard: "#guard servers",
    dynamic: "",
    servers: "#servers\n#guard end",
    pages: "",
    source: "",
};

/** HAProxy's configuration but for what `haproxy-entries` fills in. Has secrets. */
export function haproxyConfiguration(args: EtcdBalancerArgs): string {
    const { application, stats } = args;
    return filled(confdAsset("haproxy.cfg"), {
        application: application.name,
        health: application.healthPath ?? "/health",
        cookie: application.sessionCookie ?? "JSESSIONID",
        http: String(etcdBalancerPorts.http),
        stats: String(etcdBalancerPorts.stats),
        statsUser: stats.user,
        statsPassword: stats.password,
        ...(args.discovery === "events" ? eventsSections(args) : rendered),
    });
}

/** The text with every `{{ name }}` replaced; a line that becomes empty is none. */
function filled(text: string, values: Record<string, string>): string {
    return text.replace(/\{\{ (\w+) \}\}(\n?)/g, (_, name: string, end: string, at: number) => {
        const value = values[name];
        if (value === undefined) {
            throw new Error(`haproxy.cfg asks for ${name}, which is none of its values`);
        }
        const line = end !== "" && (at === 0 || text[at - 1] === "\n");
        return value === "" && line ? "" : value + end;
    });
}
