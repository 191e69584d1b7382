/** What each part of the API wants, by the beginning of its paths. The lists of what can be had are public. */
const areas: [prefix: string, area: string][] = [
    ["/linode/types", ""],
    ["/nodebalancers/types", ""],
    ["/linode/instances", "linodes"],
    ["/placement/groups", "linodes"],
    ["/nodebalancers", "nodebalancers"],
    ["/networking/firewalls", "firewall"],
    ["/vpcs", "vpc"],
    ["/domains", "domains"],
    ["/account/events", "events"],
    ["/account", "account"],
    ["/profile", "account"],
    ["/tags", "account"],
];

/**
 * The scope that a request lacks, or undefined.
 *
 * @param granted what the token may do, separated by spaces; `*` is everything
 */
export function missingScope(granted: string, method: string, path: string): string | undefined {
    const area = areas.find(([prefix]) => path === prefix || path.startsWith(`${prefix}/`))?.[1] ?? "";
    const scopes = granted.split(" ");
    if (area === "" || scopes.includes("*") || scopes.includes(`${area}:read_write`)) {
        return undefined;
    }
    if (method === "GET") {
        return scopes.includes(`${area}:read_only`) ? undefined : `${area}:read_only`;
    }
    return `${area}:read_write`;
}
