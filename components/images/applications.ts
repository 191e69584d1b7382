/** Each application image, with the base image that its Dockerfile begins with. */
export const bases = {
    balancer: "balancer-base",
    "counter-api": "node",
    "counter-dashboard": "node",
    envoy: "envoy-base",
    haproxy: "haproxy-base",
    hello: "node",
    monitor: "node",
    templater: "consul-template-base",
} as const;

/** An image built from our own source in `images/<name>/`. */
export type Application = keyof typeof bases;
export const applications = Object.keys(bases) as Application[];

/** The architecture of the machine that runs Pulumi, as Docker names it. */
export function ownPlatform(architecture?: "amd64" | "arm64"): string {
    return `linux/${architecture ?? (process.arch === "arm64" ? "arm64" : "amd64")}`;
}
