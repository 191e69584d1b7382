/** Where things are in the container. */
export const paths = {
    /** The page for when no backend can answer. */
    errorPage: "/etc/haproxy/errors/unavailable.html",
    /** What a start makes anew; only root may look. */
    run: "/run/balancer",
    configuration: "/run/balancer/haproxy.cfg",
    master: "/run/balancer/master.sock",
    admin: "/run/balancer/admin.sock",
    control: "/run/balancer/control.sock",
    /** Addresses and states of the servers, for the next worker. */
    servers: "/run/balancer/servers",
    /** What a new container has to know: a volume. */
    state: "/var/lib/balancer",
    settings: "/var/lib/balancer/settings.json",
    /** The certificate that HAProxy serves: chain and key. */
    site: "/var/lib/balancer/site.pem",
    /** Certificates that CAs have issued, and when they were asked. */
    certificates: "/var/lib/balancer/certificates",
    /** certbot's accounts and logs, a folder for each directory. */
    acme: "/var/lib/balancer/acme",
} as const;

/** Ports on the container's loopback: HAProxy leads `/health` and the ACME challenges there. */
export const internalPorts = { health: 9402, challenge: 9480 } as const;
