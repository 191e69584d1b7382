// @ts-check
"use strict";

/**
 * How long a stack is meant to exist, as the stack's output `lifetime` says it: ISO 8601, in UTC.
 * @typedef {object} Lifetime
 * @property {string} created when the first update ended that knew of it
 * @property {string} [expires] absent without `gatehouse:linode.ttl`
 */

/** @type {Record<string, number>} */
const milliseconds = { m: 60_000, h: 3_600_000, d: 24 * 3_600_000, w: 7 * 24 * 3_600_000 };

/**
 * A time to live such as `90m`, `48h`, `7d` or `2w`, in milliseconds. Undefined for anything else.
 * @param {unknown} text
 * @returns {number | undefined}
 */
function timeToLive(text) {
    const [, count, unit = ""] = /^([1-9]\d{0,4})([mhdw])$/.exec(String(text)) ?? [];
    return count === undefined ? undefined : Number(count) * (milliseconds[unit] ?? NaN);
}

/**
 * The lifetime of a stack. Its beginning is kept from one update to the next; its end follows the setting.
 * @param {unknown} last what the last update has left as the output `lifetime`
 * @param {string | undefined} ttl `gatehouse:linode.ttl`
 * @param {Date} now
 * @returns {Lifetime}
 */
function nextLifetime(last, ttl, now) {
    const before = readLifetime(last)?.created;
    const created = before ?? now.toISOString();
    const span = timeToLive(ttl);
    return span === undefined
        ? { created }
        : { created, expires: new Date(Date.parse(created) + span).toISOString() };
}

/**
 * An output that is a lifetime.
 * @param {unknown} output
 * @returns {Lifetime | undefined}
 */
function readLifetime(output) {
    const { created, expires } = /** @type {Record<string, unknown>} */ (output ?? {});
    if (typeof created !== "string" || Number.isNaN(Date.parse(created))) {
        return undefined;
    }
    return typeof expires === "string" && !Number.isNaN(Date.parse(expires))
        ? { created, expires }
        : { created };
}

/** @param {Lifetime | undefined} lifetime @param {Date} now */
function hasExpired(lifetime, now) {
    return lifetime?.expires !== undefined && Date.parse(lifetime.expires) <= now.getTime();
}

/**
 * What to say of a stack that should be gone; undefined while its time lasts.
 * @param {string} stack
 * @param {Lifetime | undefined} lifetime
 * @param {Date} now
 * @returns {string | undefined}
 */
function expiryWarning(stack, lifetime, now) {
    if (lifetime?.expires === undefined || !hasExpired(lifetime, now)) {
        return undefined;
    }
    return (
        `the time to live of the stack ${stack} ended ${span(now.getTime() - Date.parse(lifetime.expires))} ago ` +
        `(${lifetime.expires}): "make down STACK=${stack}" removes it, or raise gatehouse:linode.ttl and run ` +
        `"make up STACK=${stack}"`
    );
}

/**
 * A span of time for people, in its largest unit.
 * @param {number} duration milliseconds
 */
function span(duration) {
    const [unit, size] = /** @type {[string, number][]} */ ([
        ["day", milliseconds["d"]],
        ["hour", milliseconds["h"]],
        ["minute", milliseconds["m"]],
    ]).find(([, size]) => duration >= size) ?? ["minute", milliseconds["m"] ?? NaN];
    const count = Math.floor(duration / size);
    return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

module.exports = { timeToLive, nextLifetime, readLifetime, hasExpired, expiryWarning, span };
