import type { Properties } from "./schema";
import { isObject, type Values } from "./values";

/** Keys that the engine or the SDK adds to a provider's inputs. */
const engineKeys = new Set(["version", "pluginDownloadURL", "pluginChecksums", "parameterization"]);

/** SDKs send settings that are not strings as JSON in a string. */
export function decodeConfig(values: Values, schema: Properties): Values {
    const config: Values = {};
    for (const [name, value] of Object.entries(values)) {
        if (engineKeys.has(name) || name.startsWith("__")) {
            continue;
        }
        const kind = schema[name]?.type.kind;
        config[name] =
            typeof value === "string" && kind !== undefined && kind !== "string" ? parse(value) : value;
    }
    return config;
}

function parse(text: string): unknown {
    try {
        return unwrapSecrets(JSON.parse(text));
    } catch {
        return text;
    }
}

/** Secrets inside such JSON are marked the same way as on the wire. */
function unwrapSecrets(value: unknown): unknown {
    if (Array.isArray(value)) {
        return value.map(unwrapSecrets);
    }
    if (isObject(value)) {
        if (value["4dabf18193072939515e22adb298388d"] === "1b47061264138c4ac30d75fd1eb44270") {
            return unwrapSecrets(value.value);
        }
        return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, unwrapSecrets(item)]));
    }
    return value;
}
