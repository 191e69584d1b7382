import { z } from "zod";

import type { Discovery } from "../components/balancers/propagation";
import { maxWebAppCount, slotCount } from "../components/balancers/slots";
import type { Problem } from "../config-errors";
import { nomad as place } from "../toolchain/labs.json";
import {
    clashingPorts,
    commonSettings,
    datacenter,
    discoveryForm,
    imageReference,
    port,
    portsAmongSsh,
} from "./common";
import {
    hastyShutdown,
    holdSettings,
    onNomad,
    shutdownDelay,
    uselessHold,
    uselessWeights,
    weightSettings,
} from "./discovery";
import { linodeContradictions, linodeSettings } from "./linode";

/** Settings of the `nomad` lab. */
export const nomadSettings = z.strictObject({
    ...commonSettings(place.subnet, { anywhere: true }),
    /** How the machines are on Linode. */
    linode: linodeSettings,
    /** Ports on 127.0.0.1 under which the lab's endpoints are published. */
    ports: z
        .strictObject({
            webapp: port.default(place.ports.webapp),
            haproxyStats: port.default(place.ports.haproxyStats),
            consul: port.default(place.ports.consul),
            nomad: port.default(place.ports.nomad),
            dashboard: port.default(place.ports.dashboard),
            registry: port.default(place.ports.registry),
            /** The first of the range for the machines' SSH: machine N (the last octet of its address) gets ssh + N. */
            ssh: z.int().min(1024).max(65000).default(place.ports.ssh),
        })
        .prefault({}),
    /** Consul's and Nomad's datacenter. A change replaces a lone server; several take no peer of another one. */
    datacenter,
    /** How much Consul's and Nomad's agents log. A change restarts them, one machine after the other; tasks go on. */
    logLevel: z.enum(["DEBUG", "INFO", "WARN"]).default("INFO"),
    /** Machines that vote in Consul's and Nomad's consensus. */
    servers: z
        .strictObject({
            count: z
                .union([z.literal(1), z.literal(3), z.literal(5)], {
                    error: "must be 1, 3 or 5: an even number of servers tolerates no more failures than one less",
                })
                .default(1),
        })
        .prefault({}),
    /** Machines that run jobs. With 0 the servers run them, which is meant for demo labs only. */
    clients: z.strictObject({ count: z.int().min(0).max(20) }).default({ count: 0 }),
    /** The balanced web application. */
    webapp: z
        .strictObject({
            count: z
                .int()
                .min(1, { error: "must be at least 1" })
                .max(maxWebAppCount, {
                    error: `must be at most ${maxWebAppCount}: HAProxy's slots end there (the memory of one machine ends earlier)`,
                })
                .default(3),
            /** What it greets with: `Hello from <message>`. */
            message: z.string().min(1).max(200).default("demo-webapp"),
            /** An image of your own instead of the one built from images/hello; it must listen on $PORT and answer /health. */
            image: imageReference.optional(),
            /**
             * From an instance's deregistration to its stop; 2s unless set. Shorter than the balancer needs to notice is
             * refused.
             */
            shutdownDelay: shutdownDelay.optional(),
            /** An instance's share of the requests: one unless set. A change restarts nothing. */
            weights: weightSettings.optional(),
        })
        .prefault({}),
    /**
     * How the balancer learns of instances: from Consul's own word, the moment that something changes (`events`), from
     * Consul's DNS, asked ten times a second (`dns`), or by Nomad, which renders them (`template`); docs/jobs.md compares
     * them. A change is a reload, which loses no request.
     */
    discovery: discoveryForm(["events", "dns", "template"], "events"),
    /** The balancer. */
    haproxy: z
        .strictObject({
            /** Server slots of the backend; derived from `webapp.count` unless set. */
            slots: z.int().min(1).max(1024).optional(),
            /** How long what Consul's DNS said is kept; for discovery `dns`. A change is a reload. */
            hold: holdSettings.optional(),
        })
        .prefault({}),
    /** The service mesh demo. */
    countdash: z
        .strictObject({
            /** Whether the dashboard may call the API through the mesh. */
            intention: z.enum(["allow", "deny"]).default("allow"),
        })
        .prefault({}),
});

export type NomadSettings = z.output<typeof nomadSettings>;

/** How the balancer learns of instances, with what counts for the time that it takes. */
export function nomadDiscovery({ discovery, haproxy }: NomadSettings): Discovery {
    return onNomad(discovery, haproxy.hold);
}

/** Problems that only several settings together can have. */
export function nomadContradictions(settings: NomadSettings): Problem[] {
    const problems = [
        ...clashingPorts(settings.ports),
        ...portsAmongSsh(settings.ports),
        ...linodeContradictions(settings),
        ...uselessHold(settings.haproxy.hold, settings.discovery, "haproxy.hold"),
        ...uselessWeights(settings.webapp.weights, settings.discovery, "webapp.weights"),
        ...hastyShutdown(settings.webapp.shutdownDelay, nomadDiscovery(settings), "webapp.shutdownDelay"),
    ];
    const needed = slotCount(settings.webapp.count, { minimum: true });
    if (settings.haproxy.slots !== undefined && settings.discovery === "template") {
        problems.push({
            path: "haproxy.slots",
            message:
                "does nothing with discovery template, which renders a server for each instance; remove it",
        });
    } else if (settings.haproxy.slots !== undefined && settings.haproxy.slots < needed) {
        problems.push({
            path: "haproxy.slots",
            message: `${settings.haproxy.slots} slots cannot hold ${settings.webapp.count} instances and their canaries; set at least ${needed}, or remove the setting to have it derived`,
        });
    }
    return problems;
}
