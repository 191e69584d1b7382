import { createHash } from "node:crypto";

import { describeType, type Properties, type Property } from "./schema";
import { isObject, UNKNOWN, type Value, type Values } from "./values";

/** One refused property; the path is as the program would write it, e.g. `ports[0].external`. */
export interface Failure {
    property: string;
    reason: string;
}

export interface CheckResult {
    inputs: Values;
    failures: Failure[];
}

/** The names of properties that the provider, not the program, has filled in; same key as the official bridge's. */
export const defaultsKey = "__defaults";

export interface CheckOptions {
    /** How messages call the thing that is checked, e.g. `docker:index/network:Network`. */
    what: string;
    /** The official plugin that covers what the stand-in does not, e.g. `docker 5.2.0`. */
    official: string;
}

/** Validates against the schema and fills in defaults. Unknown values pass. */
export function checkProperties(values: Values, schema: Properties, options: CheckOptions): CheckResult {
    const failures: Failure[] = [];
    const inputs = checkObject(values, schema, "", failures, options);
    return { inputs, failures };
}

function checkObject(
    values: Values,
    schema: Properties,
    path: string,
    failures: Failure[],
    options: CheckOptions,
): Values {
    const checked: Values = {};
    for (const [name, value] of Object.entries(values)) {
        if (name.startsWith("__") || value === undefined || value === null) {
            continue;
        }
        const member = path ? `${path}.${name}` : name;
        const property = schema[name];
        if (!property) {
            failures.push({
                property: member,
                reason:
                    `${options.what} has no property "${member}" in this stand-in for the ${options.official} plugin; ` +
                    `leave it out, or install the official plugin, which covers it`,
            });
            continue;
        }
        checked[name] = checkValue(value, property, member, failures, options);
    }
    for (const [name, property] of Object.entries(schema)) {
        if (checked[name] !== undefined || values[name] === UNKNOWN) {
            continue;
        }
        if (property.default !== undefined) {
            checked[name] = structuredClone(property.default);
        } else if (property.required && (values[name] === undefined || values[name] === null)) {
            const member = path ? `${path}.${name}` : name;
            failures.push({ property: member, reason: `${options.what} needs a value for "${member}"` });
        }
    }
    return checked;
}

function checkValue(
    value: Value,
    property: Property,
    path: string,
    failures: Failure[],
    options: CheckOptions,
): Value {
    if (value === UNKNOWN) {
        return UNKNOWN;
    }
    const type = property.type;
    const refuse = (reason: string): Value => {
        failures.push({ property: path, reason });
        return undefined;
    };
    const mistyped = (): Value =>
        refuse(`"${path}" must be ${describeType(type)}, not ${describeValue(value)}`);
    let checked: Value = value;
    switch (type.kind) {
        case "string":
        case "boolean":
        case "number":
            if (typeof value !== type.kind) {
                return mistyped();
            }
            break;
        case "integer":
            if (!Number.isInteger(value)) {
                return mistyped();
            }
            break;
        case "any":
            break;
        case "map":
            if (!isObject(value)) {
                return mistyped();
            }
            checked = Object.fromEntries(
                Object.entries(value).map(([key, item]) => [
                    key,
                    checkValue(item, type.items, `${path}.${key}`, failures, options),
                ]),
            );
            break;
        case "list":
            if (!Array.isArray(value)) {
                return mistyped();
            }
            checked = value.map((item, index) =>
                checkValue(item, type.items, `${path}[${index}]`, failures, options),
            );
            break;
        case "object":
            if (!isObject(value)) {
                return mistyped();
            }
            checked = checkObject(value, type.fields, path, failures, options);
            break;
    }
    if (property.oneOf && !property.oneOf.includes(checked as string | number)) {
        return refuse(`"${path}" must be one of ${property.oneOf.join(", ")}, not ${describeValue(value)}`);
    }
    const reason = property.validate?.(checked as never);
    return reason === undefined ? checked : refuse(`"${path}" ${reason}`);
}

function describeValue(value: Value): string {
    if (value === null || value === undefined) {
        return "nothing";
    }
    if (Array.isArray(value)) {
        return "a list";
    }
    return typeof value === "object" ? "an object" : JSON.stringify(value);
}

/**
 * Names what the program left unnamed, keeping the name that an earlier run gave. The suffix follows the engine's
 * random seed, so that preview and update of one run agree.
 */
export function nameAutomatically(
    inputs: Values,
    olds: Values,
    schema: Properties,
    resourceName: string,
    seed: Uint8Array,
): void {
    const named: string[] = [];
    for (const [name, property] of Object.entries(schema)) {
        if (!property.autoName || inputs[name] !== undefined) {
            continue;
        }
        const oldNames = olds[defaultsKey];
        const wasAutomatic =
            Array.isArray(oldNames) && oldNames.includes(name) && typeof olds[name] === "string";
        inputs[name] = wasAutomatic ? olds[name] : `${resourceName}-${suffix(seed, name)}`;
        named.push(name);
    }
    if (named.length > 0) {
        inputs[defaultsKey] = named;
    }
}

function suffix(seed: Uint8Array, property: string): string {
    const hash = createHash("sha256").update(property);
    hash.update(seed.length > 0 ? seed : Buffer.from(`${process.pid} ${process.hrtime.bigint()}`));
    return hash.digest("hex").slice(0, 7);
}
