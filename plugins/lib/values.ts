import { Struct } from "google-protobuf/google/protobuf/struct_pb";

import type { JavaScriptValue } from "google-protobuf/google/protobuf/struct_pb";

/** Stands for a value that is not known before the update has run. */
export const UNKNOWN: unique symbol = Symbol("unknown");

export type Value = unknown;
export type Values = Record<string, Value>;

/**
 * Which parts of a value are secret: `true` for the value as a whole, or the secret members of a map or list.
 * Kept apart from the value, so that the code of a resource handles plain values.
 */
export type Secrets = true | { [key: string]: Secrets } | undefined;

// The wire form of special values, from the engine's sdk/go/common/resource/{properties,plugin/rpc}.go.
const signatureKey = "4dabf18193072939515e22adb298388d";
const secretSignature = "1b47061264138c4ac30d75fd1eb44270";
const outputValueSignature = "d0e6a833031e9bbcd3f4e8bde6ca49a4";
const unknownString = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const unknowns = new Set([
    unknownString,
    "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
    "030794c1-ac77-496b-92df-f27374a8bd58",
    "e48ece36-62e2-4504-bad9-02848725956a",
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
]);

export interface Decoded {
    values: Values;
    secrets: Secrets;
}

/** From the wire: unknowns become `UNKNOWN`, secrets are unwrapped and remembered beside the values. */
export function decode(struct: Struct | undefined): Decoded {
    const [values, secrets] = unwrap(struct ? struct.toJavaScript() : {});
    return { values: values as Values, secrets };
}

function unwrap(wire: Value): [Value, Secrets] {
    if (typeof wire === "string") {
        return [unknowns.has(wire) ? UNKNOWN : wire, undefined];
    }
    if (Array.isArray(wire)) {
        const secrets: Secrets = {};
        const list = wire.map((item, index) => {
            const [value, secret] = unwrap(item);
            if (secret !== undefined) {
                secrets[index] = secret;
            }
            return value;
        });
        return [list, orUndefined(secrets)];
    }
    if (isObject(wire)) {
        if (wire[signatureKey] === secretSignature) {
            return [unwrap(wire.value)[0], true];
        }
        if (wire[signatureKey] === outputValueSignature) {
            const [value, secret] = "value" in wire ? unwrap(wire.value) : [UNKNOWN, undefined];
            return [value, wire.secret === true ? true : secret];
        }
        const values: Values = {};
        const secrets: Secrets = {};
        for (const [key, item] of Object.entries(wire)) {
            const [value, secret] = unwrap(item);
            // The engine spells "absent" as null in places.
            if (value !== null) {
                values[key] = value;
                if (secret !== undefined) {
                    secrets[key] = secret;
                }
            }
        }
        return [values, orUndefined(secrets)];
    }
    return [wire, undefined];
}

/** To the wire. With `keepSecrets` false (an engine that does not accept them) secrets travel as plain values. */
export function encode(values: Values, secrets?: Secrets, keepSecrets = true): Struct {
    return Struct.fromJavaScript(wrapMembers(values, keepSecrets ? secrets : undefined));
}

function wrap(value: Value, secrets: Secrets): JavaScriptValue {
    if (secrets === true) {
        return { [signatureKey]: secretSignature, value: wrap(value, undefined) };
    }
    if (value === UNKNOWN) {
        return unknownString;
    }
    if (value === undefined || value === null) {
        return null;
    }
    if (Array.isArray(value)) {
        return value.map((item, index) => wrap(item, secrets?.[index]));
    }
    if (isObject(value)) {
        return wrapMembers(value, secrets);
    }
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") {
        return value;
    }
    throw new Error(`a value of type ${typeof value} cannot be sent to the engine`);
}

function wrapMembers(values: Values, secrets: Secrets): { [key: string]: JavaScriptValue } {
    const wire: { [key: string]: JavaScriptValue } = {};
    for (const [key, value] of Object.entries(values)) {
        if (value !== undefined) {
            wire[key] = wrap(value, secrets === true ? undefined : secrets?.[key]);
        }
    }
    return wire;
}

/** What is secret in either. */
export function mergeSecrets(a: Secrets, b: Secrets): Secrets {
    if (a === true || b === true) {
        return true;
    }
    if (!a || !b) {
        return a ?? b;
    }
    const merged: { [key: string]: Secrets } = { ...a };
    for (const [key, value] of Object.entries(b)) {
        merged[key] = mergeSecrets(merged[key], value);
    }
    return merged;
}

export function isObject(value: Value): value is Values {
    return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether the value is unknown or has an unknown somewhere inside. */
export function hasUnknown(value: Value): boolean {
    if (value === UNKNOWN) {
        return true;
    }
    if (Array.isArray(value)) {
        return value.some(hasUnknown);
    }
    return isObject(value) && Object.values(value).some(hasUnknown);
}

/** Equality of JSON-like values; unknowns equal nothing, not even each other. */
export function equal(a: Value, b: Value): boolean {
    if (a === UNKNOWN || b === UNKNOWN) {
        return false;
    }
    if (Array.isArray(a) && Array.isArray(b)) {
        return a.length === b.length && a.every((item, index) => equal(item, b[index]));
    }
    if (isObject(a) && isObject(b)) {
        const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
        return [...keys].every((key) => equal(a[key], b[key]));
    }
    return a === b || (a === undefined && b === null) || (a === null && b === undefined);
}

function orUndefined(secrets: { [key: string]: Secrets }): Secrets {
    return Object.keys(secrets).length > 0 ? secrets : undefined;
}
