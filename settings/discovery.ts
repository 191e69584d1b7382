import { z } from "zod";

import {
    propagation,
    described,
    type Discovery,
    type ResolverHold,
} from "../components/balancers/propagation";
import { shutdownDelay as defaultShutdownDelay } from "../components/balancers/timings";
import type { Problem } from "../config-errors";
import { type GuardSettings, seconds } from "./guard";

/** The version of HAProxy in the images (Debian 12). */
const haproxyVersion = "2.6";

/** How a balancer learns of instances. */
export type Form = Discovery["form"];

/** A span of time that may be none. */
function span(most: string) {
    return z
        .string()
        .regex(/^(0|[1-9]\d{0,5})(ms|s|m)$/, {
            error: "must be a number and a unit (ms, s or m), such as 2s",
            abort: true,
        })
        .refine((text) => seconds(text) <= seconds(most), { error: `must be at most ${most}` });
}

/**
 * How long HAProxy's resolver keeps what it knows, by the answer that it gets instead of a good one. Those that are not
 * set keep the values of jobs/haproxy.nomad.hcl.
 */
export const holdSettings = z.strictObject({
    /** An answer that lacks the instance. 0s unless set: it is out at once. */
    obsolete: span("60m").optional(),
    /** An answer that there is no instance at all. 30s unless set. */
    nx: span("60m").optional(),
    /** No answer. 30s unless set. */
    timeout: span("60m").optional(),
    /** A refusal. 30s unless set. */
    refused: span("60m").optional(),
    /** Any other error. 30s unless set. */
    other: span("60m").optional(),
    /** Known, so that the refusal can say what took its place. */
    valid: span("60m").optional(),
});

export type HoldSettings = z.output<typeof holdSettings>;

/** From an instance's deregistration to its stop. Nomad's stand-in waits 90 s for an instance, `kill_timeout` included. */
export const shutdownDelay = span("60s");

const weight = z
    .int()
    .min(1, { error: "must be at least 1: who is to get nothing fails its check" })
    .max(65535, { error: "must be at most 65535, which is Consul's most" });

/** An instance's share of the requests, as Consul hands it to balancers. */
export const weightSettings = z.strictObject({
    /** Of an instance whose checks pass. */
    passing: weight.default(1),
    /** Of one that answers its check with 429, which Consul takes for a warning. */
    warning: weight.default(1),
});

export type WeightSettings = z.output<typeof weightSettings>;

/** `hold` values that HAProxy does nothing with. */
export function uselessHold(hold: HoldSettings | undefined, form: Form, path: string): Problem[] {
    const set = Object.entries(hold ?? {}).filter(([, value]) => value !== undefined);
    if (form !== "dns") {
        return set.map(([name]) => ({
            path: `${path}.${name}`,
            message: `does nothing with discovery ${form}, which asks no name server; remove it, or choose discovery dns`,
        }));
    }
    return set
        .filter(([name]) => name === "valid")
        .map(([name]) => ({
            path: `${path}.${name}`,
            message: `does nothing on HAProxy ${haproxyVersion}: how often Consul is asked is \`timeout resolve\`, ten times a second here; remove it`,
        }));
}

/** What HAProxy makes of an SRV record's weight: `(weight + 255) / 256`, so that 1 to 256 all count as 1. */
function srvWeight(weight: number): number {
    return Math.floor((weight + 255) / 256);
}

/** Weights that differ, but not to HAProxy. */
export function uselessWeights(weights: WeightSettings | undefined, form: Form, path: string): Problem[] {
    if (weights === undefined || weights.passing === weights.warning || form === "events") {
        return [];
    }
    const { passing, warning } = weights;
    if (form === "template") {
        return [
            {
                path,
                message:
                    "does nothing with discovery template, whose servers all have the same weight; choose discovery events, or remove it",
            },
        ];
    }
    return srvWeight(passing) !== srvWeight(warning)
        ? []
        : [
              {
                  path,
                  message:
                      `${passing} (passing) and ${warning} (warning) are the same to HAProxy, which takes a weight from ` +
                      `DNS for a 256th of it, rounded up, and so both for ${srvWeight(passing)}; choose discovery ` +
                      `events, or multiples of 256, at most 65280`,
              },
          ];
}

/** The resolver's settings in seconds; those that are not set are left out. */
export function holdSeconds(hold: HoldSettings | undefined): Partial<ResolverHold> {
    const { obsolete, nx, timeout, refused, other } = hold ?? {};
    return Object.fromEntries(
        Object.entries({ obsolete, nx, timeout, refused, other }).flatMap(([name, value]) =>
            value === undefined ? [] : [[name, seconds(value)]],
        ),
    );
}

/** A form of the `nomad` lab, where Nomad renders what is rendered. */
export function onNomad(form: Form, hold: HoldSettings | undefined): Discovery {
    switch (form) {
        case "dns":
            return { form, hold: holdSeconds(hold) };
        case "events":
            return { form };
        case "template":
            return { form, by: "nomad" };
    }
}

/** A form of the labs where consul-template renders what is rendered, and the guard's hold counts for HAProxy's Lua, too. */
export function behindGuard(form: Form, { hold }: GuardSettings): Discovery {
    const holdSeconds = seconds(hold);
    switch (form) {
        case "dns":
            return { form };
        case "events":
            return { form, holdSeconds };
        case "template":
            return { form, by: "guard", holdSeconds };
    }
}

/** Instances that would be stopped while the balancer still sends them requests. */
export function hastyShutdown(delay: string | undefined, discovery: Discovery, path: string): Problem[] {
    const { deregistration } = propagation({ discovery });
    const set = delay === undefined ? defaultShutdownDelay : seconds(delay);
    return set >= deregistration.seconds
        ? []
        : [
              {
                  path,
                  message:
                      `${delay ?? `${defaultShutdownDelay}s, the default,`} is shorter than HAProxy needs to notice ` +
                      `that an instance goes, at the worst ${described(deregistration)}, so that it would be stopped ` +
                      `with requests on their way; set at least ${leastDelay(deregistration.seconds)}`,
              },
          ];
}

/** In the largest unit that says it exactly. */
function leastDelay(least: number): string {
    return Number.isInteger(least) ? `${least}s` : `${Math.round(least * 1000)}ms`;
}
