import type { ProviderDefinition } from "./resource";
import type { Properties, Property } from "./schema";

type Json = { [key: string]: unknown };

/** The covered part of the package's schema, in Pulumi's schema language; object types are inlined as maps. */
export function schemaJson<Client>(definition: ProviderDefinition<Client>): string {
    const resources: Json = {};
    for (const [token, resource] of Object.entries(definition.resources)) {
        resources[token] = {
            inputProperties: describe(resource.inputs),
            requiredInputs: required(resource.inputs),
            properties: { ...describe(resource.inputs), ...describe(resource.outputs ?? {}) },
            required: [...required(resource.inputs), ...Object.keys(resource.outputs ?? {})],
        };
    }
    const functions: Json = {};
    for (const [token, fn] of Object.entries(definition.functions ?? {})) {
        functions[token] = {
            inputs: { type: "object", properties: describe(fn.inputs), required: required(fn.inputs) },
            outputs: { type: "object", properties: describe(fn.outputs) },
        };
    }
    return JSON.stringify({
        name: definition.name,
        version: definition.version,
        config: { variables: describe(definition.config) },
        provider: { inputProperties: describe(definition.config) },
        resources,
        functions,
    });
}

function required(properties: Properties): string[] {
    return Object.entries(properties)
        .filter(([, property]) => property.required)
        .map(([name]) => name);
}

function describe(properties: Properties): Json {
    return Object.fromEntries(
        Object.entries(properties).map(([name, property]) => [
            name,
            {
                ...typeOf(property),
                ...(property.secret && { secret: true }),
                ...(property.replace && { willReplaceOnChanges: true }),
            },
        ]),
    );
}

function typeOf(property: Property): Json {
    const type = property.type;
    switch (type.kind) {
        case "list":
            return { type: "array", items: typeOf(type.items) };
        case "map":
            return { type: "object", additionalProperties: typeOf(type.items) };
        case "object":
        case "any":
            return { $ref: "pulumi.json#/Any" };
        default:
            return { type: type.kind };
    }
}
