import { isObject } from "../lib";

import type { Entry } from "./client";

/** Consul takes `ServiceName`, `service_name` and `servicename` for the same. */
function canonicalKey(key: string): string {
    return key.replaceAll("_", "").toLowerCase();
}

/** Keys that say which entry it is, or when it changed, rather than what it says. */
const identity = new Set(["kind", "name", "namespace", "partition", "createindex", "modifyindex", "hash"]);

/**
 * Values that the servers add to entries on their own: the precedence follows from the names, and "consul" is the only
 * type of source that there is.
 */
const added: Record<string, (value: unknown) => boolean> = {
    precedence: (value) => typeof value === "number",
    type: (value) => value === "consul",
    legacyid: () => true,
    legacymeta: () => true,
    legacycreatetime: () => true,
    legacyupdatetime: () => true,
};

/** Lists that the servers sort (service-intentions: by precedence). */
const unordered = new Set(["sources"]);

/** What an entry says, without its identity. */
export function content(entry: Entry): Entry {
    return Object.fromEntries(Object.entries(entry).filter(([key]) => !identity.has(canonicalKey(key))));
}

/** The text of `configJson`; an error message names what is wrong with it. */
export function parseConfig(text: string): Entry | string {
    let parsed: unknown;
    try {
        parsed = JSON.parse(text);
    } catch (error) {
        return `must be JSON: ${(error as Error).message}`;
    }
    return isObject(parsed) ? parsed : "must be a JSON object";
}

/** Whether two texts of `configJson` say the same. */
export function sameConfig(left: string, right: string): boolean {
    const [one, other] = [parseConfig(left), parseConfig(right)];
    if (typeof one === "string" || typeof other === "string") {
        return left === right;
    }
    return agrees(one, other, "") && agrees(other, one, "");
}

/** Whether the observed entry is what was asked for, and nothing more but what the servers add by themselves. */
export function agrees(asked: unknown, observed: unknown, key: string): boolean {
    if (isObject(asked) && isObject(observed)) {
        const observedByKey = new Map(
            Object.entries(observed).map(([name, value]) => [canonicalKey(name), value]),
        );
        for (const [name, value] of Object.entries(asked)) {
            const canonical = canonicalKey(name);
            const matches = observedByKey.has(canonical)
                ? agrees(value, observedByKey.get(canonical), canonical)
                : meansNothing(canonical, value);
            if (!matches) {
                return false;
            }
            observedByKey.delete(canonical);
        }
        return [...observedByKey].every(([name, value]) => meansNothing(name, value));
    }
    if (Array.isArray(asked) && Array.isArray(observed)) {
        return asked.length === observed.length && listAgrees(asked, observed, key);
    }
    if (isZero(asked) && (isZero(observed) || observed === undefined)) {
        return true;
    }
    // Weakly typed, as the official plugin: "8080" is 8080.
    return (
        asked === observed || (isScalar(asked) && isScalar(observed) && String(asked) === String(observed))
    );
}

/** Whether it makes no difference that only one side has it. */
function meansNothing(key: string, value: unknown): boolean {
    return isZero(value) || added[key]?.(value) === true;
}

function listAgrees(asked: unknown[], observed: unknown[], key: string): boolean {
    if (!unordered.has(key)) {
        return asked.every((item, index) => agrees(item, observed[index], ""));
    }
    const left = [...observed];
    return asked.every((item) => {
        const index = left.findIndex((other) => agrees(item, other, ""));
        if (index >= 0) {
            left.splice(index, 1);
        }
        return index >= 0;
    });
}

function isScalar(value: unknown): boolean {
    return typeof value === "string" || typeof value === "number" || typeof value === "boolean";
}

/** What stands for "not set" in the servers' answers. */
function isZero(value: unknown): boolean {
    if (Array.isArray(value)) {
        return value.length === 0;
    }
    if (isObject(value)) {
        return Object.values(value).every(isZero);
    }
    return value === undefined || value === null || value === "" || value === 0 || value === false;
}
