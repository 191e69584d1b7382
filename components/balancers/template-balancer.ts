import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";

import type { ContainerNetwork } from "../containers/network";

/** HAProxy's own ports. */
const ports = { http: 80, stats: 8080 };

/** Where the templater answers for the guard's counters, to HAProxy alone. */
const metricsPort = 9101;

/** Where HAProxy and consul-template meet: the rendered file, HAProxy's sockets and its servers' state. */
const shared = "/run/haproxy";

/** In the chroot of HAProxy's workers: what discovery by events has told them. */
const remembered = "/var/lib/haproxy/state";

/** How HAProxy learns of instances. */
export type Discovery =
    /** consul-template renders them. */
    | { by: "template" }
    /**
     * HAProxy finds them by itself and fills `slots` servers, from Consul's word (`events`) or its DNS (`dns`, an
     * address and a port as HAProxy's container reaches it).
     */
    | { by: "events"; slots: number }
    | { by: "dns"; slots: number; server: string };

export interface TemplateBalancerArgs {
    network: ContainerNetwork;
    /** The containers' addresses in the network. */
    addresses: { haproxy: string; templater: string };
    /** The images `haproxy` and `templater`. A change of the first interrupts service for a moment. */
    images: { haproxy: pulumi.Input<string>; templater: pulumi.Input<string> };
    /** Ports on 127.0.0.1. A change replaces HAProxy's container. */
    publishedPorts: { http: number; stats: number };
    /** Consul's HTTP API as the network's containers reach it; by an IPv4 address for discovery by events. */
    consul: string;
    discovery: Discovery;
    /** Consul's name of the balanced service. */
    service: string;
    /** For the statistics page, HAProxy's metrics and the guard's. */
    stats: { user: string; password: pulumi.Input<string> };
    /** The last two count where instances are rendered, the others with discovery by events, too. */
    guard: {
        /** The share of the instances known before that must still be known; 0 believes every list. */
        minimumShare: number;
        /** Seconds for which a shorter list is held back. */
        holdSeconds: number;
        /** Reloads that may follow each other at once; then one is made in each gap. */
        reloadBurst: number;
        reloadGapMilliseconds: number;
    };
}

/**
 * HAProxy, and consul-template that renders its configuration from Consul's catalogue, as two containers with one
 * volume. Settings are consul-template's, also how HAProxy learns of instances: changing them replaces its container
 * alone, and traffic goes on.
 */
export class TemplateBalancer extends pulumi.ComponentResource {
    readonly haproxy: docker.Container;
    readonly templater: docker.Container;

    constructor(name: string, args: TemplateBalancerArgs, opts?: pulumi.ComponentResourceOptions) {
        super("gatehouse:balancers:TemplateBalancer", name, {}, opts);
        const { network, guard, stats, addresses } = args;
        const volume = network.volume(`${name}-state`, { parent: this });
        const volumes = [{ volumeName: volume.name, containerPath: shared }];
        const memory = network.volume(`${name}-discovery`, { parent: this });

        this.haproxy = network.run(
            name,
            {
                image: args.images.haproxy,
                roles: ["balancer"],
                address: addresses.haproxy,
                command: [`${shared}/accepted.cfg`, "/etc/haproxy/bootstrap.cfg"],
                publishedPorts: {
                    [ports.http]: args.publishedPorts.http,
                    [ports.stats]: args.publishedPorts.stats,
                },
                volumes: [...volumes, { volumeName: memory.name, containerPath: remembered }],
                // The master binds port 80 and starts workers as another user in a chroot; nothing else needs privileges.
                capabilities: {
                    drops: ["ALL"],
                    adds: ["KILL", "NET_BIND_SERVICE", "SETGID", "SETUID", "SYS_CHROOT"],
                },
                destroyGraceSeconds: 5,
            },
            { parent: this },
        );
        this.templater = network.run(
            `${name}-templater`,
            {
                image: args.images.templater,
                roles: ["templater"],
                address: addresses.templater,
                envs: pulumi
                    .output(stats.password)
                    .apply((password) => [
                        `CONSUL_HTTP_ADDR=${args.consul}`,
                        `SERVICES=${args.service}`,
                        ...discoveryVariables(args.discovery),
                        `STATS_USER=${stats.user}`,
                        `STATS_PASSWORD=${password}`,
                        `GUARD_MIN_SHARE=${guard.minimumShare}`,
                        `GUARD_HOLD=${guard.holdSeconds}`,
                        `RELOAD_GAP=${guard.reloadGapMilliseconds}`,
                        `RELOAD_BURST=${guard.reloadBurst}`,
                        `METRICS_ADDRESS=${addresses.templater}:${metricsPort}`,
                        `METRICS_CLIENT=${addresses.haproxy}`,
                    ]),
                volumes,
                capabilities: { drops: ["ALL"] },
                destroyGraceSeconds: 5,
            },
            { parent: this },
        );
        this.registerOutputs();
    }
}

/** The templater's variables. Pure. */
function discoveryVariables(discovery: Discovery): string[] {
    const { by } = discovery;
    switch (by) {
        case "template":
            return [`DISCOVERY=${by}`];
        case "events":
            return [`DISCOVERY=${by}`, `SLOTS=${discovery.slots}`];
        case "dns":
            return [`DISCOVERY=${by}`, `SLOTS=${discovery.slots}`, `CONSUL_DNS_ADDR=${discovery.server}`];
    }
}
