import { defaultsKey } from "./check";
import type { Properties, Property } from "./schema";
import { equal, isObject, UNKNOWN, type Value, type Values } from "./values";

/** One changed property. The path is Pulumi's, e.g. `ports[0].external` or `labels["a.b"]`. */
export interface Change {
    path: string;
    kind: "add" | "delete" | "update";
    replace: boolean;
}

/** Compares the inputs of the last run with those of this one. */
export function diffProperties(olds: Values, news: Values, schema: Properties): Change[] {
    const changes: Change[] = [];
    for (const [name, property] of Object.entries(schema)) {
        diffValue(olds[name], news[name], property, name, false, changes);
    }
    return changes;
}

function diffValue(
    old: Value,
    now: Value,
    property: Property,
    path: string,
    replaceAbove: boolean,
    changes: Change[],
): void {
    if (now === undefined && property.computed) {
        return;
    }
    if (same(old, now, property)) {
        return;
    }
    const replace =
        replaceAbove ||
        (typeof property.replace === "function" ? property.replace(old, now) : property.replace === true);
    const type = property.type;
    if (isObject(old) && isObject(now) && (type.kind === "object" || type.kind === "map")) {
        const names = new Set([...Object.keys(old), ...Object.keys(now)]);
        for (const name of names) {
            const member = type.kind === "object" ? type.fields[name] : type.items;
            if (member) {
                diffValue(old[name], now[name], member, memberPath(path, name), replace, changes);
            }
        }
        return;
    }
    if (Array.isArray(old) && Array.isArray(now) && type.kind === "list" && !type.unordered) {
        for (let index = 0; index < Math.max(old.length, now.length); index++) {
            diffValue(old[index], now[index], type.items, `${path}[${index}]`, replace, changes);
        }
        return;
    }
    const kind = old === undefined ? "add" : now === undefined ? "delete" : "update";
    changes.push({ path, kind, replace });
}

function same(oldValue: Value, newValue: Value, property: Property): boolean {
    // State that was imported, or written before a default existed, does not spell the default out.
    const old = oldValue ?? property.default;
    const now = newValue ?? property.default;
    if (old === UNKNOWN || now === UNKNOWN) {
        return false;
    }
    if (property.same && old !== undefined && now !== undefined) {
        return property.same(old, now);
    }
    const type = property.type;
    // Absent and empty mean the same for collections, as in Terraform.
    if (type.kind === "list" || type.kind === "map") {
        if (isEmpty(old) && isEmpty(now)) {
            return true;
        }
    }
    if (type.kind === "list" && Array.isArray(old) && Array.isArray(now)) {
        if (old.length !== now.length) {
            return false;
        }
        if (!type.unordered) {
            return old.every((item, index) => same(item, now[index], type.items));
        }
        const left = [...now];
        return old.every((item) => {
            const index = left.findIndex((other) => same(item, other, type.items));
            if (index >= 0) {
                left.splice(index, 1);
            }
            return index >= 0;
        });
    }
    if (type.kind === "object" && isObject(old) && isObject(now)) {
        return Object.entries(type.fields).every(
            ([name, member]) =>
                (now[name] === undefined && member.computed) || same(old[name], now[name], member),
        );
    }
    return equal(old, now);
}

function isEmpty(value: Value): boolean {
    return value === undefined || value === null || Object.keys(value as object).length === 0;
}

function memberPath(path: string, name: string): string {
    return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) ? `${path}.${name}` : `${path}[${JSON.stringify(name)}]`;
}

/**
 * The inputs after a refresh: the program's own values where the real object agrees with them (so that spelling and
 * order stay), the observed ones where it does not. `observed` holds input properties as read from the real object;
 * a property that is not in it cannot be observed and stays as it was.
 */
export function refreshInputs(inputs: Values, observed: Values, schema: Properties): Values {
    const refreshed: Values = {};
    for (const [name, property] of Object.entries(schema)) {
        const known = name in observed;
        // In this order a computed member that the program leaves out is no difference.
        const value = known && !same(observed[name], inputs[name], property) ? observed[name] : inputs[name];
        if (value !== undefined && !(inputs[name] === undefined && isAbsent(value, property))) {
            refreshed[name] = value;
        }
    }
    if (inputs[defaultsKey] !== undefined) {
        refreshed[defaultsKey] = inputs[defaultsKey];
    }
    return refreshed;
}

/** A value that means "not set", which a refresh must not turn into an input of its own. */
function isAbsent(value: Value, property: Property): boolean {
    if (property.computed && property.default === undefined) {
        return true;
    }
    if (property.type.kind === "list" || property.type.kind === "map") {
        return isEmpty(value);
    }
    return property.default === undefined && (value === "" || value === 0 || value === false);
}
