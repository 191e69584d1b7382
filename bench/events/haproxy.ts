import { discoverySettings as settingsOf } from "../../tests/unit/balancers/container";
import { servicesOf, type Instance } from "./instances";

/** What is asked of an HAProxy of the benchmark. */
export interface Balancer {
    instances: Instance[];
    /** Servers of each backend. */
    slots: number;
    port: number;
    /** With the module, the port of its metrics; without it, the servers are written down. */
    metricsPort?: number;
}

export const settingsFile = "/tmp/discovery.json";

/**
 * haproxy.cfg as jobs/haproxy.nomad.hcl has it, for several services. A request goes to the service that it names in
 * `X-Service`, else to any. Pure.
 */
export function haproxyConfig({ instances, slots, port, metricsPort }: Balancer): string {
    const module = metricsPort !== undefined;
    const services = servicesOf(instances);
    return [
        "global",
        `    log stdout format raw local0 ${module ? "err" : "info"}`,
        "    user haproxy",
        "    group haproxy",
        "    chroot /var/lib/haproxy",
        "    maxconn 8000",
        "    hard-stop-after 15s",
        `    stats socket /run/haproxy/${port}.sock mode 600 level admin`,
        ...(module
            ? [
                  `    setenv DISCOVERY_SETTINGS ${settingsFile}`,
                  "    lua-load /usr/local/lib/gatehouse/events.lua",
              ]
            : []),
        "defaults",
        "    mode http",
        "    log stdout format raw local0 info",
        "    option dontlognull",
        "    option dontlog-normal",
        "    option redispatch 1",
        "    retries 3",
        "    retry-on conn-failure empty-response",
        "    timeout connect 1s",
        "    timeout check 1s",
        "    timeout http-request 10s",
        "    timeout http-keep-alive 10s",
        "    timeout queue 5s",
        "    timeout client 30s",
        "    timeout server 30s",
        "frontend http",
        `    bind *:${port}`,
        "    option httplog",
        "    option http-ignore-probes",
        "    option idle-close-on-response",
        "    option forwardfor",
        ...(module ? ["    http-request lua.discovery-ready unless { var(proc.discovery) -m bool }"] : []),
        "    http-request del-header X-Forwarded-For",
        "    http-request set-header X-Forwarded-Proto http",
        "    http-request disable-l7-retry unless METH_GET or { method HEAD OPTIONS }",
        ...(services.length === 1
            ? [`    default_backend ${services[0]}`]
            : [
                  "    use_backend %[req.hdr(X-Service)] if { req.hdr(X-Service) -m found }",
                  `    use_backend service-%[rand(${services.length})]`,
              ]),
        ...services.flatMap((service) => [
            `backend ${service}`,
            "    balance roundrobin",
            "    option httpchk GET /health",
            "    http-check expect status 200-399",
            "    default-server check inter 1s fastinter 200ms downinter 200ms fall 2 rise 1",
            ...serverLines(
                instances.filter((each) => each.service === service),
                slots,
                module,
            ),
        ]),
        ...(module
            ? [
                  "frontend metrics",
                  "    no log",
                  `    bind *:${metricsPort}`,
                  "    http-request use-service lua.discovery-metrics",
              ]
            : []),
        "",
    ].join("\n");
}

function serverLines(instances: Instance[], slots: number, module: boolean): string[] {
    if (module) {
        return [`    server-template web ${slots} 127.0.0.1:1 disabled`];
    }
    const spare = slots - instances.length;
    return [
        ...instances.map(({ address, port }, n) => `    server web${n + 1} ${address}:${port}`),
        ...(spare > 0 ? [`    server-template spare ${spare} 127.0.0.1:1 disabled`] : []),
    ];
}

/** The module's settings as the job has them. Pure. */
export function discoverySettings(services: string[], consulPort: number): object {
    return settingsOf({
        consul: { url: `http://127.0.0.1:${consulPort}` },
        services: services.map((name) => ({ name, backend: name })),
    });
}
