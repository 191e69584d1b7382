import { invalid } from "./errors";

type Item = object;
type Condition = (item: Item) => boolean;
type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** What an `X-Filter` header asks for: which items, and in which order. */
export interface Filter {
    matches: Condition;
    sort: <T extends Item>(items: T[]) => T[];
}

const header = "X-Filter";

/**
 * Reads an `X-Filter` header. All keys of an object must hold; `+and` and `+or` take lists of filters; a field has a value or
 * an object of `+eq`, `+neq`, `+gt`, `+gte`, `+lt`, `+lte` and `+contains`; dotted keys reach into objects; a field that is a list
 * matches when one of its elements does. `+order_by` and `+order` sort.
 *
 * @param filterable the fields that may be named. The API refuses any other instead of ignoring it.
 */
export function parseFilter(text: string | undefined, filterable: readonly string[]): Filter {
    if (text === undefined || text.trim() === "") {
        return { matches: () => true, sort: (items) => items };
    }
    let json: Json;
    try {
        json = JSON.parse(text) as Json;
    } catch {
        throw invalid(header, "Cannot parse the filter: it is not JSON");
    }
    const filter = objectOf(json);
    const order = filter["+order"] ?? "asc";
    if (order !== "asc" && order !== "desc") {
        throw invalid(header, "+order must be asc or desc");
    }
    const by = filter["+order_by"];
    if (by !== undefined && (typeof by !== "string" || !filterable.includes(by))) {
        throw invalid(header, `Cannot order by ${String(by)}`);
    }
    return {
        matches: all(filter, filterable),
        sort: (items) => (by === undefined ? items : sorted(items, by, order === "desc" ? -1 : 1)),
    };
}

function all(filter: Record<string, Json>, filterable: readonly string[]): Condition {
    const conditions = Object.entries(filter)
        .filter(([key]) => key !== "+order" && key !== "+order_by")
        .map(([key, value]): Condition => {
            if (key === "+and" || key === "+or") {
                const parts = listOf(key, value).map((part) => all(objectOf(part), filterable));
                return key === "+and"
                    ? (item) => parts.every((part) => part(item))
                    : (item) => parts.some((part) => part(item));
            }
            if (!filterable.includes(key)) {
                throw invalid(header, `Cannot filter on ${key}`);
            }
            return onField(key, value);
        });
    return (item) => conditions.every((condition) => condition(item));
}

function onField(key: string, value: Json): Condition {
    const tests = isObject(value)
        ? Object.entries(value).map(([operator, operand]) => operation(operator, operand))
        : [operation("+eq", value)];
    return (item) => {
        const found = valueAt(item, key);
        return tests.every((test) => test(found));
    };
}

function operation(operator: string, operand: Json): (found: Json | undefined) => boolean {
    const any = (test: (one: Json | undefined) => boolean) => (found: Json | undefined) =>
        Array.isArray(found) ? found.some(test) : test(found);
    switch (operator) {
        case "+eq":
            return any((found) => found === operand);
        case "+neq":
            return (found) => !any((one) => one === operand)(found);
        case "+gt":
            return any((found) => compare(found, operand) > 0);
        case "+gte":
            return any((found) => compare(found, operand) >= 0);
        case "+lt":
            return any((found) => compare(found, operand) < 0);
        case "+lte":
            return any((found) => compare(found, operand) <= 0);
        case "+contains":
            return any((found) => text(found).toLowerCase().includes(text(operand).toLowerCase()));
        default:
            throw invalid(header, `${operator} is not an operator`);
    }
}

/** Negative, 0 or positive; NaN, which is none of them, for values that have no order. */
function compare(left: Json | undefined, right: Json): number {
    if (typeof left === "number" && typeof right === "number") {
        return left - right;
    }
    if (typeof left === "string" && typeof right === "string") {
        return left < right ? -1 : left > right ? 1 : 0;
    }
    return NaN;
}

function sorted<T extends Item>(items: T[], by: string, direction: 1 | -1): T[] {
    return [...items].sort((a, b) => direction * (compare(valueAt(a, by), valueAt(b, by) ?? null) || 0));
}

function valueAt(item: Item, key: string): Json | undefined {
    return key
        .split(".")
        .reduce<Json | undefined>((value, part) => (isObject(value) ? value[part] : undefined), item as Json);
}

const text = (value: Json | undefined): string =>
    value === undefined || value === null ? "" : String(value);

function isObject(value: Json | undefined): value is { [key: string]: Json } {
    return typeof value === "object" && value !== null && !Array.isArray(value);
}

function objectOf(value: Json): { [key: string]: Json } {
    if (!isObject(value)) {
        throw invalid(header, "A filter must be a JSON object");
    }
    return value;
}

function listOf(key: string, value: Json): Json[] {
    if (!Array.isArray(value)) {
        throw invalid(header, `${key} must be a list of filters`);
    }
    return value;
}
