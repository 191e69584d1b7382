/** One of the web servers as Consul and HAProxy know it. */
export interface Instance {
    id: string;
    service: string;
    address: string;
    port: number;
}

const firstPort = 20_000;

/**
 * Instances of several services, one of each service after the other. Each has an address and a port of its own, though
 * one process answers for all of them.
 */
export function instancesOf(services: number, each: number): Instance[] {
    return Array.from({ length: services * each }, (_, n) => {
        const service = n % services;
        const instance = Math.floor(n / services);
        return {
            id: `service-${service}-${instance}`,
            service: `service-${service}`,
            address: `127.0.1.${instance + 1}`,
            port: firstPort + service,
        };
    });
}

/** What the web servers' answers carry in `X-Instance`. */
export function signatureOf({ address, port }: Instance): string {
    return `${address}:${port}`;
}

/** The names of their services, in order. */
export function servicesOf(instances: Instance[]): string[] {
    return [...new Set(instances.map(({ service }) => service))];
}

/** Web servers that answer at once with the address and the port that they were asked at: one process for all. */
export function serversConfig(instances: Instance[]): string {
    const ports = instances.map(({ port }) => port);
    return [
        "global",
        "    maxconn 8000",
        "    nbthread 1",
        "defaults",
        "    mode http",
        "    timeout client 120s",
        "    timeout http-keep-alive 120s",
        "frontend servers",
        `    bind 0.0.0.0:${Math.min(...ports)}-${Math.max(...ports)}`,
        `    http-request return status 200 content-type text/plain string "Hello" hdr X-Instance "%[dst]:%[dst_port]"`,
        "",
    ].join("\n");
}
