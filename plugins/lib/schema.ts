/**
 * The words in which a provider describes its resources: one `Property` per property of the official schema that
 * the stand-in covers. Everything that is not described is refused by name.
 */

export type PropertyType =
    | { kind: "string" }
    | { kind: "integer" }
    | { kind: "number" }
    | { kind: "boolean" }
    | { kind: "any" }
    | { kind: "map"; items: Property }
    | { kind: "list"; items: Property; unordered: boolean }
    | { kind: "object"; fields: Properties };

export interface PropertyOptions {
    /** Refuse a resource without it. */
    required?: boolean;
    /** Filled in by Check when the program leaves the property out, and so recorded in the state. */
    default?: unknown;
    /** The official schema marks it secret: it is a secret in the outputs even if the program passed a plain value. */
    secret?: boolean;
    /** A change of this property (or of anything below it) replaces the resource. */
    replace?: boolean | ((old: unknown, now: unknown) => boolean);
    /** The provider fills it in when the program does not: leaving it out is no change. */
    computed?: boolean;
    /** Only strings at the top level: named `<resource name>-<7 hex digits>` when left out, as the official bridge does. */
    autoName?: boolean;
    /** Two values that mean the same, for a property with several spellings. */
    same?: (old: unknown, now: unknown) => boolean;
    /** Values allowed; anything else is refused and the message lists them. */
    oneOf?: readonly (string | number)[];
    /** Refuses a (known) value with the returned reason. */
    validate?: (value: never) => string | undefined;
}

export interface Property extends PropertyOptions {
    type: PropertyType;
}

export type Properties = Record<string, Property>;

const property = (type: PropertyType, options: PropertyOptions = {}): Property => ({ ...options, type });

export const string = (options?: PropertyOptions): Property => property({ kind: "string" }, options);
export const integer = (options?: PropertyOptions): Property => property({ kind: "integer" }, options);
export const number = (options?: PropertyOptions): Property => property({ kind: "number" }, options);
export const boolean = (options?: PropertyOptions): Property => property({ kind: "boolean" }, options);
/** Any JSON value; compared as a whole. */
export const any = (options?: PropertyOptions): Property => property({ kind: "any" }, options);
export const map = (items: Property = string(), options?: PropertyOptions): Property =>
    property({ kind: "map", items }, options);
export const list = (items: Property = string(), options?: PropertyOptions): Property =>
    property({ kind: "list", items, unordered: false }, options);
/** A list in which order does not matter (Terraform's set). */
export const set = (items: Property = string(), options?: PropertyOptions): Property =>
    property({ kind: "list", items, unordered: true }, options);
export const object = (fields: Properties, options?: PropertyOptions): Property =>
    property({ kind: "object", fields }, options);

/** What the resource's schema says of a type in words, for messages. */
export function describeType(type: PropertyType): string {
    switch (type.kind) {
        case "map":
            return `a map of ${describeType(type.items.type).replace(/^an? /, "")} values`;
        case "list":
            return `a list of ${describeType(type.items.type).replace(/^an? /, "")} values`;
        case "object":
            return "an object";
        case "any":
            return "any value";
        case "integer":
            return "an integer";
        default:
            return `a ${type.kind}`;
    }
}
