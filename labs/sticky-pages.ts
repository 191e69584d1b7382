import { renderLabReadme } from "./readme";
import { renderTopology } from "./topology";

/** The lab as a diagram: the balancer and what it sends requests to. */
export function stickyTopology(backends: string[], urls: Record<string, string>): string {
    return renderTopology(
        [
            { id: "you", label: "you" },
            { id: "balancer", label: "balancer (HAProxy)" },
            { id: "backends", label: "backends" },
            ...backends.map((name) => ({ id: `backend-${name}`, label: name, inside: "backends" })),
        ],
        [
            { from: "you", to: "balancer", label: urls.webapp },
            ...backends.map((name) => ({
                from: "balancer",
                to: `backend-${name}`,
                label: `SERVERID=${name}`,
            })),
        ],
    );
}

/** Asks this computer, wherever the domain leads. */
export function curlHere(url: string): string {
    const { hostname, port } = new URL(url);
    return `curl --resolve ${hostname}:${port || 443}:127.0.0.1 ${url}`;
}

/** The stack's page in Pulumi's console. */
export function stickyReadme(urls: Record<string, string>, topology: string): string {
    return renderLabReadme("sticky", urls, topology, {
        webapp: "the backends in turn; a cookie keeps a session on its backend",
        ...(urls.webappTls === undefined
            ? {}
            : { webappTls: `the same over HTTPS; from here: \`${curlHere(urls.webappTls)}\`` }),
        haproxyStats: "HAProxy's statistics; user and password are in the `environment` output",
    });
}
