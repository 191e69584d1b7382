import { z } from "zod";

import { satisfies } from "../components/applications/metadata";
import { shortestLease } from "../components/clusters/etcd/member";
import type { Problem } from "../config-errors";
import { etcd as place } from "../toolchain/labs.json";
import { certificateSettings, endlessRenewal, rotation } from "./certificates";
import { clashingPorts, commonSettings, discoveryForm, imageReference, port, portsAmongSsh } from "./common";
import { duration, guardSettings, seconds, tooManyReloads } from "./guard";
import { machineCount, machineGroup, numbered, voterCount, withoutAddress } from "./machines";
import { snapshotSettings } from "./snapshots";

/** What consensus is made for: https://etcd.io/docs/v3.5/faq/#what-is-failure-tolerance */
const memberCount = voterCount("members", 5, "nothing is stored without a member");

/** What is said of a machine, and what an application asks of it. */
const metadata = z.record(
    z.string().regex(/^[a-z]([a-z0-9_-]{0,30}[a-z0-9])?$/, {
        error: "must be lower-case letters, digits, hyphens and underscores, such as type",
    }),
    z.string().regex(/^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$/, {
        error: "must be a word, such as webserver",
    }),
);

/** Names that no group of machines may have, with the reason. */
const reservedGroups: Record<string, string> = {
    etcd: "is what the members are called (etcd-1); choose another name",
    balancer: "is what the balancer is called (balancer-1); choose another name",
};

/** Settings of the `etcd` lab. */
export const etcdSettings = z.strictObject({
    ...commonSettings(place.subnet, { anywhere: false }),
    /** Ports on 127.0.0.1 under which the lab's endpoints are published. */
    ports: z
        .strictObject({
            /** The balancer. */
            webapp: port.default(place.ports.webapp),
            /** HAProxy's statistics and metrics, behind a password. */
            haproxyStats: port.default(place.ports.haproxyStats),
            /** The first member's API: TLS, a client certificate and a password. */
            etcd: port.default(place.ports.etcd),
            registry: port.default(place.ports.registry),
            /** The first of the range for the machines' SSH: machine N (the last octet of its address) gets ssh + N. */
            ssh: z.int().min(1024).max(65000).default(place.ports.ssh),
        })
        .prefault({}),
    /** The machines that store: etcd's members. */
    members: z.strictObject({ count: memberCount.default(3) }).prefault({}),
    /** Machines that run applications, by the first part of their names: `web-1`, `web-2` … */
    machines: z
        .record(
            machineGroup,
            z.strictObject({
                count: machineCount,
                /** What applications choose machines by. */
                metadata: metadata.default({}),
            }),
        )
        .default({ web: { count: 2, metadata: { type: "webserver" } } }),
    /** The web application: units that register themselves in etcd. */
    webapp: z
        .strictObject({
            /** Its name: of its units (`webapp@1.service`), and of its keys (`/apps/webapp/…`). */
            name: z
                .string()
                .regex(/^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$/, {
                    error: "must be lower-case letters, digits and hyphens, at most 32, starting with a letter: it is a part of etcd's keys and of the units' names",
                })
                .default("webapp"),
            /** Instances, spread over the machines that it may run on. */
            count: z
                .int()
                .min(1, { error: "must be at least 1" })
                .max(100, { error: "must be at most 100 (the memory of the machines ends earlier)" })
                .default(2),
            /** How many of them may run on one machine. */
            perMachine: z.int().min(1).max(20).default(1),
            /** What a machine's metadata must say. */
            requires: metadata.default({ type: "webserver" }),
            /** The first instance's port on its machine; the others of the machine have the next ones. */
            port: z.int().min(1024).max(65000).default(9000),
            /** What it greets with: `Hello from <message>`. */
            message: z.string().min(1).max(200).default("webapp"),
            /** An image of your own instead of the one built from images/hello; it must listen on $PORT and answer /health. */
            image: imageReference.optional(),
            /** The application's session cookie, by which HAProxy sends a visitor to the same instance. */
            sessionCookie: z
                .string()
                .regex(/^[A-Za-z0-9_-]{1,64}$/, {
                    error: "must be a cookie's name: letters, digits, - and _",
                })
                .default("JSESSIONID"),
        })
        .prefault({}),
    /** How units announce themselves. */
    registration: z
        .strictObject({
            /** How long an instance whose machine has died stays in etcd. */
            lease: duration
                .refine((span) => Number.isInteger(seconds(span)) && seconds(span) >= shortestLease, {
                    error: `must be whole seconds, at least ${shortestLease}s: a lease is renewed at every third of it, and a member that has died costs a second attempt`,
                })
                .default("5s"),
            /** From an instance's deregistration to its stop. */
            shutdownDelay: duration.default("2s"),
        })
        .prefault({}),
    /**
     * How HAProxy learns of instances: confd watches etcd and renders each change, asks in an interval as the document
     * does, or HAProxy itself watches etcd. A change is a reload.
     */
    discovery: discoveryForm(["watch", "interval", "events"], "watch"),
    /** For discovery `interval`: from one question to the next. */
    interval: duration.default("20s"),
    /** The balancer. A change is a reload. */
    balancer: z
        .strictObject({
            /** The most instances that it believes in; what is beyond is ignored, and said. */
            maxServers: z.int().min(1).max(500).default(64),
            guard: guardSettings,
        })
        .prefault({}),
    /** The certificates of members, of their clients, and of members among each other. */
    certificates: z.strictObject(certificateSettings).prefault({}),
    /** The passwords of etcd's users, but root's. */
    passwords: z
        .strictObject({
            /** Raise it by one to have new ones, one machine after the other. */
            rotation,
        })
        .prefault({}),
    /** Snapshots of etcd, which members take and keep, encrypted. A change restarts a timer. */
    snapshots: snapshotSettings,
    /** What etcd keeps. A change restarts the members, one after the other. */
    store: z
        .strictObject({
            /** The size in MiB at which a member takes no more writes, and says so. */
            quotaMebibytes: z
                .int()
                .min(16)
                .max(8192, {
                    error: "must be at most 8192: etcd's own limit (https://etcd.io/docs/v3.5/dev-guide/limit/)",
                })
                .default(2048),
            /** How long old revisions of a key are kept. */
            history: z
                .string()
                .regex(/^[1-9]\d{0,3}(m|h)$/, { error: "must be a number and a unit (m or h), such as 1h" })
                .default("1h"),
        })
        .prefault({}),
});

export type EtcdSettings = z.output<typeof etcdSettings>;

/** A machine of the lab before it exists. */
export interface EtcdNode {
    /** Stable: the machine's name in every place, `etcd-1`, `web-2`, `balancer-1`. */
    name: string;
    role: "member" | "application" | "balancer";
    metadata: Record<string, string>;
}

/** The machines of a lab with these settings: members first, then those of applications, then the balancer. */
export function etcdNodes({ members, machines }: Pick<EtcdSettings, "members" | "machines">): EtcdNode[] {
    return [
        ...numbered("etcd", members.count).map((name): EtcdNode => ({ name, role: "member", metadata: {} })),
        ...Object.entries(machines).flatMap(([group, { count, metadata }]) =>
            numbered(group, count).map((name): EtcdNode => ({ name, role: "application", metadata })),
        ),
        { name: "balancer-1", role: "balancer", metadata: {} },
    ];
}

/** The machines that the application may run on. */
export function suitable({ machines, webapp, members }: EtcdSettings): EtcdNode[] {
    return etcdNodes({ machines, members }).filter(
        ({ role, metadata }) => role === "application" && satisfies(metadata, webapp.requires),
    );
}

/** Problems that only several settings together can have. */
export function etcdContradictions(settings: EtcdSettings): Problem[] {
    return [
        ...clashingPorts(settings.ports),
        ...portsAmongSsh(settings.ports),
        ...unusableGroups(settings),
        ...withoutRoom(settings),
        ...endlessRenewal(settings.certificates),
        ...tooManyReloads(settings.balancer.guard, "balancer.guard"),
    ];
}

function unusableGroups({ machines, members }: EtcdSettings): Problem[] {
    const reserved = Object.keys(machines)
        .filter((group) => Object.hasOwn(reservedGroups, group))
        .map((group) => ({ path: `machines.${group}`, message: reservedGroups[group]! }));
    if (reserved.length > 0) {
        return reserved;
    }
    return withoutAddress(
        etcdNodes({ machines, members }).map(({ name }) => ({ name, group: name.replace(/-\d+$/, "") })),
        "machines",
    );
}

/** fleet would leave such instances waiting without a word. */
function withoutRoom(settings: EtcdSettings): Problem[] {
    const { webapp } = settings;
    const asked = Object.entries(webapp.requires).map(([key, value]) => `${key}=${value}`);
    const machines = suitable(settings).length;
    if (machines === 0) {
        return [
            {
                path: "webapp.requires",
                message: `no machine has the metadata ${asked.join(", ")}; add it to a group of gatehouse:machines, or ask for less`,
            },
        ];
    }
    return webapp.count <= machines * webapp.perMachine
        ? []
        : [
              {
                  path: "webapp.count",
                  message: `${webapp.count} instances have no room on ${machines} machines with ${webapp.perMachine} each (${asked.join(", ") || "any metadata"}); raise the count of a group of gatehouse:machines or webapp.perMachine, or choose at most ${machines * webapp.perMachine}`,
              },
          ];
}
