import { z } from "zod";

import type { Problem } from "../config-errors";
import { milliseconds as read } from "../images/monitor/durations";

/** A span of time as Consul writes it. */
export const duration = z.string().regex(/^[1-9]\d{0,5}(ms|s|m)$/, {
    error: "must be a number and a unit (ms, s or m), such as 5s",
    abort: true,
});

/** What the guard's scripts can count to. */
const limits = { holdSeconds: 999_999, reloadGapSeconds: 600 };

/**
 * What the templates of HAProxy's configuration say of old workers: each lives for at most so many seconds after a
 * reload, and HAProxy's master ends those that have seen as many reloads, with their requests.
 */
export const oldWorkers = { seconds: 15, reloads: 30 };

/**
 * Settings of the guard between consul-template and HAProxy (components/balancers/guard): what keeps a list of
 * instances that is suddenly short from taking the others out of use.
 */
export const guardSettings = z
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
    .prefault({});

export type GuardSettings = z.output<typeof guardSettings>;

/** Milliseconds of a span of time such as `500ms`, `5s` or `2m`. */
export function milliseconds(span: string): number {
    return read(span, 0);
}

/** Seconds of such a span. */
export function seconds(span: string): number {
    return milliseconds(span) / 1000;
}

/**
 * The reloads of an old worker's life must stay below what HAProxy bears: it would end workers and their requests.
 *
 * @param path the guard's settings below `gatehouse:`, e.g. `guard`
 */
export function tooManyReloads({ reloadGap, reloadBurst }: GuardSettings, path: string): Problem[] {
    // The guard counts in hundredths of a second.
    const gap = Math.floor(milliseconds(reloadGap) / 10);
    const life = oldWorkers.seconds * 100;
    if (reloadBurst + life / gap < oldWorkers.reloads) {
        return [];
    }
    const least = (Math.floor(life / (oldWorkers.reloads - reloadBurst)) + 1) * 10;
    return [
        {
            path: `${path}.reloadGap`,
            message:
                `${reloadGap} after a burst of ${reloadBurst} lets HAProxy be reloaded ${oldWorkers.reloads} times or ` +
                `more in ${oldWorkers.seconds} s, and it ends old workers with their requests then; ` +
                `choose at least ${least}ms, or a smaller ${path}.reloadBurst`,
        },
    ];
}
