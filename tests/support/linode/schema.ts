import type { FastifySchemaValidationError } from "fastify";

import type { ErrorEntry } from "./errors";

/** A JSON schema, with `reason`: what the API says when the value does not fit. */
export interface Schema {
    type?: string | string[];
    properties?: Record<string, Schema>;
    required?: string[];
    items?: Schema;
    enum?: (string | number | boolean | null)[];
    minLength?: number;
    maxLength?: number;
    minimum?: number;
    maximum?: number;
    maxItems?: number;
    pattern?: string;
    anyOf?: Schema[];
    reason?: string;
}

export const text: Schema = { type: "string" };
export const integer: Schema = { type: "integer" };
export const boolean: Schema = { type: "boolean" };

export const optional = (schema: Schema): Schema => ({
    ...schema,
    type: [schema.type as string, "null"],
    ...(schema.enum ? { enum: [...schema.enum, null] } : {}),
});

export const listOfAll = (items: Schema): Schema => ({ type: ["array", "null"], items });

export const oneOf = (...values: string[]): Schema => ({
    type: "string",
    enum: values,
    reason: `Must be one of ${values.join(", ")}`,
});

export const between = (minimum: number, maximum: number): Schema => ({
    type: "integer",
    minimum,
    maximum,
    reason: `Must be ${minimum}-${maximum}`,
});

/** A label: of instances up to 64 characters, of most other things up to 32. */
export const label = (shortest: number, longest: number): Schema => ({
    type: "string",
    minLength: shortest,
    maxLength: longest,
    pattern: "^(?!.*(--|__|\\.\\.))[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$",
});

export const tags: Schema = {
    type: ["array", "null"],
    items: { type: "string", minLength: 3, maxLength: 50 },
};

export const body = (properties: Record<string, Schema>, required: string[] = []) => ({
    body: { type: "object", properties, required } satisfies Schema,
});

/** The validator's findings in the API's words. */
export function entriesOf(problems: readonly FastifySchemaValidationError[]): ErrorEntry[] {
    return problems.filter(({ keyword }) => keyword !== "anyOf").map(entryOf);
}

interface Verbose {
    parentSchema?: Schema;
}

function entryOf(problem: FastifySchemaValidationError & Verbose): ErrorEntry {
    const { keyword, params, parentSchema = {}, message = "is not valid" } = problem;
    const at = fieldOf(problem.instancePath);
    if (keyword === "required") {
        const missing = String(params.missingProperty);
        const field = at === "" ? missing : `${at}.${missing}`;
        return { field, reason: `${field} is required` };
    }
    const field = at === "" ? undefined : at;
    if (keyword === "minLength" || keyword === "maxLength") {
        const { minLength = 0, maxLength } = parentSchema;
        const reason =
            maxLength === undefined
                ? `Length must be at least ${minLength} characters`
                : `Length must be ${minLength}-${maxLength} characters`;
        return { field, reason };
    }
    if (keyword === "pattern" && parentSchema.reason === undefined) {
        return {
            field,
            reason:
                "Must begin and end with a letter or digit, and may only contain ASCII letters, digits, underscores, " +
                "dashes and periods, none of the last three twice in a row",
        };
    }
    return { field, reason: parentSchema.reason ?? `${field ?? "body"} ${message}` };
}

/** `/interfaces/0/purpose` as `interfaces[0].purpose`. */
function fieldOf(pointer: string): string {
    return pointer
        .split("/")
        .slice(1)
        .map((part) => (/^\d+$/.test(part) ? `[${part}]` : `.${part}`))
        .join("")
        .replace(/^\./, "");
}
