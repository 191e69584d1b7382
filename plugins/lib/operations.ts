import { equal, isObject, mergeSecrets, UNKNOWN, type Secrets, type Values } from "./values";
import type { Properties, Property } from "./schema";
import type { ResourceDefinition } from "./resource";

/** The outputs while a creation is planned: the inputs, and unknowns for what only the provider can tell. */
export function plannedCreation(
    inputs: Values,
    definition: ResourceDefinition<unknown>,
    known: Values,
): Values {
    const outputs: Values = { ...inputs };
    for (const [name, property] of Object.entries(definition.inputs)) {
        if (property.computed && outputs[name] === undefined) {
            outputs[name] = UNKNOWN;
        }
    }
    for (const name of Object.keys(definition.outputs ?? {})) {
        outputs[name] = UNKNOWN;
    }
    return { ...outputs, ...known };
}

/** The outputs while an update is planned: as they were, but for the inputs and for what follows the changed ones. */
export function plannedUpdate(
    state: Values,
    news: Values,
    changed: ReadonlySet<string>,
    definition: ResourceDefinition<unknown>,
    known: Values,
): Values {
    const outputs = nextState(state, news, definition);
    for (const name of definition.changesWith?.(changed, state, news) ?? []) {
        outputs[name] = UNKNOWN;
    }
    return { ...outputs, ...known };
}

/** The state after an update, before what the update itself has found out. */
export function nextState(state: Values, news: Values, definition: ResourceDefinition<unknown>): Values {
    const outputs: Values = { ...state };
    for (const [name, property] of Object.entries(definition.inputs)) {
        if (news[name] === undefined && !property.computed) {
            delete outputs[name];
        }
    }
    return { ...withoutInternals(outputs), ...withoutInternals(news) };
}

/** State has no use for the record of automatic names, which belongs to the inputs. */
export function withoutInternals(values: Values): Values {
    return Object.fromEntries(Object.entries(values).filter(([name]) => !name.startsWith("__")));
}

/** Which outputs are secret: those whose input is, those the schema says, and those the resource adds. */
export function outputSecrets(
    outputs: Values,
    inputSecrets: Secrets,
    definition: ResourceDefinition<unknown>,
): Secrets {
    let secrets = mergeSecrets(
        mergeSecrets(inputSecrets, schemaSecrets(outputs, definition.inputs)),
        schemaSecrets(outputs, definition.outputs ?? {}),
    );
    for (const name of definition.secretOutputs?.(secretNames(secrets, definition.inputs)) ?? []) {
        secrets = mergeSecrets(secrets, { [name]: true });
    }
    return secrets;
}

/** The names of the top-level inputs that are secret or hold a secret. */
export function secretNames(secrets: Secrets, inputs: Properties): ReadonlySet<string> {
    if (secrets === true) {
        return new Set(Object.keys(inputs));
    }
    return new Set(Object.keys(secrets ?? {}).filter((name) => name in inputs));
}

export function schemaSecrets(values: Values, schema: Properties): Secrets {
    const secrets: { [key: string]: Secrets } = {};
    for (const [name, property] of Object.entries(schema)) {
        const secret = values[name] === undefined ? undefined : propertySecrets(values[name], property);
        if (secret !== undefined) {
            secrets[name] = secret;
        }
    }
    return Object.keys(secrets).length > 0 ? secrets : undefined;
}

function propertySecrets(value: unknown, property: Property): Secrets {
    if (property.secret) {
        return true;
    }
    const type = property.type;
    if (type.kind === "object" && typeof value === "object" && value !== null) {
        return schemaSecrets(value as Values, type.fields);
    }
    if (type.kind === "list" && Array.isArray(value)) {
        const secrets: { [key: string]: Secrets } = {};
        value.forEach((item, index) => {
            const secret = propertySecrets(item, type.items);
            if (secret !== undefined) {
                secrets[index] = secret;
            }
        });
        return Object.keys(secrets).length > 0 ? secrets : undefined;
    }
    return undefined;
}

/** An object whose fixed name its successor takes over has to go first; automatic names differ. */
export function keepsFixedName(definition: ResourceDefinition<never>, state: Values, news: Values): boolean {
    const automatic = news.__defaults;
    return Object.entries(definition.inputs).some(
        ([name, property]) =>
            property.autoName &&
            !(Array.isArray(automatic) && automatic.includes(name)) &&
            equal(state[name], news[name]),
    );
}

/** What an import records as the program's: not the empty values that a real object is full of. */
export function importedInputs(observed: Values): Values {
    const empty = (value: unknown): boolean =>
        value === undefined ||
        value === "" ||
        ((Array.isArray(value) || isObject(value)) && Object.keys(value).length === 0);
    return Object.fromEntries(Object.entries(observed).filter(([, value]) => !empty(value)));
}

export function withoutUndefined(values: Values): Values {
    return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
