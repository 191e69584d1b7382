import type { EtcdBalancerArgs } from "../etcd-balancer";
import { confdAsset } from "./files";

/** HAProxy's ports on the machine, on all of its addresses. */
export const etcdBalancerPorts = { http: 80, stats: 8888 } as const;

/**
 * HAProxy's configuration but for the servers, whose places `haproxy-entries` fills on the machine. Has a secret.
 */
export function haproxyConfiguration({ application, stats }: EtcdBalancerArgs): string {
    return filled(confdAsset("haproxy.cfg"), {
        level: "info",
        state: "global",
        application: application.name,
        health: application.healthPath ?? "/health",
        cookie: application.sessionCookie ?? "JSESSIONID",
        http: String(etcdBalancerPorts.http),
        stats: String(etcdBalancerPorts.stats),
        statsUser: stats.user,
        statsPassword: stats.password,
        guard: "#guard servers",
        servers: "#servers\n#guard end",
    });
}

/** The text with every `{{ name }}` replaced. */
function filled(text: string, values: Record<string, string>): string {
    return text.replace(/\{\{ (\w+) \}\}/g, (_, name: string) => {
        const value = values[name];
        if (value === undefined) {
            throw new Error(`haproxy.cfg asks for ${name}, which is none of its values`);
        }
        return value;
    });
}
