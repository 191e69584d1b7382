import { z } from "zod";

import type { Problem } from "../config-errors";
import { milliseconds as read } from "../images/monitor/durations";
import { template as place } from "../toolchain/labs.json";
import { clashingPorts, commonSettings, datacenter, port } from "./common";

/** A span of time as Consul writes it. */
const duration = z.string().regex(/^[1-9]\d{0,5}(ms|s|m)$/, {
    error: "must be a number and a unit (ms, s or m), such as 5s",
    abort: true,
});

/** Its number is the instance's place in the lab's network: see {@link instanceNumber}. */
const instanceName = z.string().regex(/^[a-z]([a-z-]{0,26}[a-z])?[1-9]\d{0,2}$/, {
    error: "must be lower-case letters and a number, such as web3",
});

/** The most that an instance's number may be: the last part of its address is that number and ten. */
export const maxInstanceNumber = 200;

/** What the guard's scripts can count to. */
const limits = { holdSeconds: 999_999, reloadGapSeconds: 600 };

/**
 * What images/templater/haproxy.ctmpl says of old workers: each lives for at most so many seconds after a reload, and
 * HAProxy's master ends those that have seen as many reloads, with their requests.
 */
export const oldWorkers = { seconds: 15, reloads: 30 };

/** Settings of the `template` lab. */
export const templateSettings = z.strictObject({
    ...commonSettings(place.subnet),
    /** Ports on 127.0.0.1 under which the lab's endpoints are published. */
    ports: z
        .strictObject({
            webapp: port.default(place.ports.webapp),
            haproxyStats: port.default(place.ports.haproxyStats),
            consul: port.default(place.ports.consul),
        })
        .prefault({}),
    /** Consul's datacenter. A change replaces Consul. */
    datacenter,
    /** The web servers by the id that Consul knows them by. Adding or removing one touches no other. */
    instances: z
        .record(
            instanceName,
            z.strictObject({
                /** The port that it listens on, inside the lab's network. */
                port: z.int().min(1024).max(65535),
            }),
        )
        .refine((instances) => Object.keys(instances).length > 0, {
            error: "must name at least one instance",
        })
        .default({ web1: { port: 8001 }, web2: { port: 8002 } }),
    /** The health check that Consul's catalogue holds for each instance. */
    check: z.strictObject({ interval: duration.default("5s"), timeout: duration.default("5s") }).prefault({}),
    /** What keeps a list of instances that is suddenly short from taking the others out of use. */
    guard: z
        .strictObject({
            /** The share of the instances known before that must still be known; 0 believes every list. */
            minimumShare: z.number().min(0).max(1).default(0.5),
            /** How long a shorter list is held back before it is believed. */
            hold: duration
                .refine((span) => Number.isInteger(seconds(span)) && seconds(span) <= limits.holdSeconds, {
                    error: "must be whole seconds, at most 999999, such as 60s",
                })
                .default("60s"),
            /**
             * The time in which one reload of HAProxy may be made when changes do not end. A longer one keeps fewer
             * old workers alive; a server that dies is taken out of use at once all the same.
             */
            reloadGap: duration
                .refine((span) => seconds(span) <= limits.reloadGapSeconds, {
                    error: "must be at most 10m, such as 1s",
                })
                .default("1s"),
            /** Reloads that may follow each other at once before the gap counts. */
            reloadBurst: z.int().min(1).max(20).default(5),
        })
        .prefault({}),
});

export type TemplateSettings = z.output<typeof templateSettings>;

/** Milliseconds of a span of time such as `500ms`, `5s` or `2m`. */
export function milliseconds(span: string): number {
    return read(span, 0);
}

/** Seconds of such a span. */
export function seconds(span: string): number {
    return milliseconds(span) / 1000;
}

/** The number at the end of an instance's name. */
export function instanceNumber(name: string): number {
    return Number(/\d+$/.exec(name)?.[0]);
}

/** Problems that only several settings together can have. */
export function templateContradictions(settings: TemplateSettings): Problem[] {
    const problems = [...clashingPorts(settings.ports), ...tooManyReloads(settings.guard)];
    const owners = new Map<number, string>();
    for (const name of Object.keys(settings.instances)) {
        const number = instanceNumber(name);
        const owner = owners.get(number);
        if (number > maxInstanceNumber) {
            problems.push({
                path: `instances.${name}`,
                message: `numbers end at ${maxInstanceNumber}; choose a smaller one`,
            });
        } else if (owner !== undefined) {
            problems.push({
                path: `instances.${name}`,
                message: `has the number of ${owner}, and so its address; give each instance a number of its own`,
            });
        }
        owners.set(number, name);
    }
    return problems;
}

/** The reloads of an old worker's life must stay below what HAProxy bears: it would end workers and their requests. */
function tooManyReloads({ reloadGap, reloadBurst }: TemplateSettings["guard"]): Problem[] {
    // The guard counts in hundredths of a second.
    const gap = Math.floor(milliseconds(reloadGap) / 10);
    const life = oldWorkers.seconds * 100;
    if (reloadBurst + life / gap < oldWorkers.reloads) {
        return [];
    }
    const least = (Math.floor(life / (oldWorkers.reloads - reloadBurst)) + 1) * 10;
    return [
        {
            path: "guard.reloadGap",
            message:
                `${reloadGap} after a burst of ${reloadBurst} lets HAProxy be reloaded ${oldWorkers.reloads} times or ` +
                `more in ${oldWorkers.seconds} s, and it ends old workers with their requests then; ` +
                `choose at least ${least}ms, or a smaller guard.reloadBurst`,
        },
    ];
}
