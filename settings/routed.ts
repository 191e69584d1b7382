import { z } from "zod";

import type { Problem } from "../config-errors";
import { routed as place } from "../toolchain/labs.json";
import { certificateSettings, endlessRenewal, rotation } from "./certificates";
import {
    clashingPorts,
    commonSettings,
    datacenter,
    discoveryForm,
    imageReference,
    port,
    portsAmongSsh,
} from "./common";
import { guardSettings, tooManyReloads } from "./guard";
import { linodeContradictions, linodeSettings } from "./linode";
import { machineCount, machineGroup, numbered, voterCount, withoutAddress } from "./machines";
import { snapshotSettings } from "./snapshots";
import { clusterVersions } from "./versions";

/** The pool whose machines are called `client-1`, `client-2` …; Nomad places jobs there unless they say otherwise. */
export const defaultPool = "default";

/** Names that no pool may have, with the reason. */
const reservedPools: Record<string, string> = {
    server: "is what the machines that vote are called (server-1); choose another name",
    client: `is what the machines of the pool ${defaultPool} are called (client-1); choose another name`,
    all: "is Nomad's own name for the machines of every pool; choose another name",
};

/** What consensus is made for: https://developer.hashicorp.com/consul/docs/concept/consensus#deployment-table */
const serverCount = voterCount("servers", 7, "nothing works without a server");

const noDns =
    "cannot be: services appear and vanish here, and DNS does not tell which there are; use template or events";

const instances = z
    .int()
    .min(1, { error: "must be at least 1" })
    .max(100, { error: "must be at most 100 (the memory of the machines ends earlier)" });

/** Settings of the `routed` lab. */
export const routedSettings = z.strictObject({
    ...commonSettings(place.subnet, { anywhere: true }),
    /** How the machines are on Linode. */
    linode: linodeSettings,
    /** Ports on 127.0.0.1 under which the lab's endpoints are published. */
    ports: z
        .strictObject({
            /** The first client's balancer: `<service>.service` by the Host header. */
            http: port.default(place.ports.http),
            /** The operators' endpoint of Consul: TLS and a password. */
            consul: port.default(place.ports.consul),
            /** The operators' endpoint of Nomad: TLS and a password. */
            nomad: port.default(place.ports.nomad),
            dashboard: port.default(place.ports.dashboard),
            registry: port.default(place.ports.registry),
            /** The first of the range for the machines' SSH: machine N (the last octet of its address) gets ssh + N. */
            ssh: z.int().min(1024).max(65000).default(place.ports.ssh),
        })
        .prefault({}),
    /** Consul's and Nomad's datacenter. A change is refused while there is a cluster. */
    datacenter,
    /** Of Consul and Nomad on the machines. A higher one replaces the machines, one at a time; a lower one is refused. */
    versions: clusterVersions,
    /** Machines that vote in Consul's and Nomad's consensus, and run no jobs. Fewer: most of them have to stay. */
    servers: z.strictObject({ count: serverCount.default(place.servers.count) }).prefault({}),
    /**
     * Machines that run jobs, by Nomad's node pool: `client-1` … are those of the pool `default`, `<pool>-1` … those of
     * any other. Without any the lab has no jobs.
     */
    pools: z
        .record(machineGroup, z.strictObject({ count: machineCount }))
        .default({ [defaultPool]: { count: 2 } }),
    /** The certificates of Consul's and Nomad's agents and of the operators' endpoint. */
    certificates: z
        .strictObject({
            ...certificateSettings,
            /** Raise it to have new CAs. That takes three updates, each of which says what the next one does. */
            caRotation: rotation,
        })
        .prefault({}),
    /** The ACL tokens of Consul and Nomad. */
    tokens: z
        .strictObject({
            /** Raise it to have new tokens, one node after the other. */
            rotation,
        })
        .prefault({}),
    /** The keys with which Consul's and Nomad's agents encrypt what they tell each other. */
    gossip: z
        .strictObject({
            /** Raise it to have new keys; all agents take them over while they run. */
            rotation,
        })
        .prefault({}),
    /** Snapshots of Consul and Nomad, which servers take and keep, encrypted. A change restarts a timer. */
    snapshots: snapshotSettings,
    /** The service `helloworld`, which every machine and container reaches as http://helloworld.service. */
    helloworld: z.strictObject({ count: instances.default(2) }).prefault({}),
    /** The web application of the `nomad` lab, here as http://demo-webapp.service. */
    webapp: z
        .strictObject({
            count: instances.default(3),
            /** What it greets with: `Hello from <message>`. */
            message: z.string().min(1).max(200).default("demo-webapp"),
            /** An image of your own instead of the one built from images/hello; it must listen on $PORT and answer /health. */
            image: imageReference.optional(),
        })
        .prefault({}),
    /** The service mesh demo. */
    countdash: z
        .strictObject({
            /** Whether the dashboard may call the API through the mesh. */
            intention: z.enum(["allow", "deny"]).default("allow"),
        })
        .prefault({}),
    /**
     * How balancers learn of instances: consul-template renders each of them, or HAProxy hears of them from Consul itself
     * and consul-template renders only which services there are. A change is a reload, one node after the other.
     */
    discovery: discoveryForm(["template", "events"], "events", { dns: noDns }),
    /** The HAProxy on every machine. A change is a reload, one node after the other. */
    balancer: z
        .strictObject({
            /** Whether a balancer asks the instances of other machines only while its own machine has none. */
            preferLocal: z.boolean().default(false),
            guard: guardSettings,
        })
        .prefault({}),
});

export type RoutedSettings = z.output<typeof routedSettings>;

/** A machine of the lab before it exists. */
export interface RoutedNode {
    /** Stable: the machine's name in every place, `server-1`, `client-2`, `gpu-1`. */
    name: string;
    /** The node pool of a machine that runs jobs; servers have none. */
    pool?: string;
}

/**
 * The machines of a lab with these settings: servers first, then the clients, those of the pool `default` before others:
 * the first client is the one that jobs with published ports run on, wherever the setting names its pool.
 */
export function routedNodes({ servers, pools }: Pick<RoutedSettings, "servers" | "pools">): RoutedNode[] {
    const others = Object.entries(pools).filter(([name]) => name !== defaultPool);
    return [
        ...numbered("server", servers.count).map((name) => ({ name })),
        ...numbered("client", pools[defaultPool]?.count ?? 0).map((name) => ({ name, pool: defaultPool })),
        ...others.flatMap(([pool, { count }]) => numbered(pool, count).map((name) => ({ name, pool }))),
    ];
}

/** Problems that only several settings together can have. */
export function routedContradictions(settings: RoutedSettings): Problem[] {
    return [
        ...clashingPorts(settings.ports),
        ...portsAmongSsh(settings.ports),
        ...linodeContradictions(settings),
        ...unusablePools(settings),
        ...endlessRenewal(settings.certificates),
        ...tooManyReloads(settings.balancer.guard, "balancer.guard"),
    ];
}

function unusablePools(settings: RoutedSettings): Problem[] {
    const problems: Problem[] = [];
    const usable: RoutedSettings["pools"] = {};
    for (const [name, each] of Object.entries(settings.pools)) {
        if (Object.hasOwn(reservedPools, name)) {
            problems.push({ path: `pools.${name}`, message: reservedPools[name]! });
        } else {
            usable[name] = each;
        }
    }
    const counts = Object.values(usable).map(({ count }) => count);
    if (Math.max(0, ...counts) > 0 && !((usable[defaultPool]?.count ?? 0) > 0)) {
        problems.push({
            path: `pools.${defaultPool}`,
            message: "has no machine, but the lab's jobs run there; set its count to 1 or more",
        });
    }
    const nodes = routedNodes({ servers: settings.servers, pools: usable });
    return [
        ...problems,
        ...withoutAddress(
            nodes.map(({ name, pool = defaultPool }) => ({ name, group: pool })),
            "pools",
        ),
    ];
}
