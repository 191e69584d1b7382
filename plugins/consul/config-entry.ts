import { resource, string } from "../lib";
import { HttpError, withLeader } from "../lib/http-api";
import { agrees, content, parseConfig, sameConfig } from "./normalise";

import type { Context } from "../lib";
import type { ConsulClient, Entry, EntryKey } from "./client";

interface Inputs extends EntryKey {
    configJson?: string;
}

export const configEntry = resource<ConsulClient, Inputs, Inputs>({
    inputs: {
        kind: string({ required: true, replace: true }),
        name: string({ autoName: true, replace: true }),
        configJson: string({
            same: (left, right) => sameConfig(left as string, right as string),
            validate: refuseConfig,
        }),
        namespace: string({ replace: true }),
        partition: string({ replace: true }),
    },

    create: async (context, inputs) => {
        await put(context, inputs);
        return { id: `${inputs.kind}-${inputs.name}`, outputs: {} };
    },

    read: async (context, id, state, inputs) => {
        const key = state ?? importKey(id);
        const entry = await context.client.entry(key, context.signal);
        if (!entry) {
            return undefined;
        }
        const { kind, name, namespace, partition } = key;
        const observed = content(entry);
        const asked = parseConfig(inputs?.configJson ?? "{}");
        const unchanged = inputs && typeof asked !== "string" && agrees(content(asked), observed, "");
        return {
            id: `${kind}-${name}`,
            outputs: {},
            inputs: {
                kind,
                name,
                namespace,
                partition,
                configJson: unchanged ? inputs.configJson : JSON.stringify(observed),
            },
        };
    },

    update: async (context, _id, _state, news) => {
        await put(context, news);
        return {};
    },

    delete: async (context, _id, state) => {
        await withLeader(context, () => context.client.deleteEntry(state, context.signal));
    },
});

async function put(context: Context<ConsulClient>, inputs: Inputs): Promise<void> {
    const entry = content(parseConfig(inputs.configJson ?? "{}") as Entry);
    try {
        await withLeader(context, () => context.client.putEntry(inputs, entry, context.signal));
    } catch (error) {
        if (error instanceof HttpError) {
            throw new Error(`Consul refuses the ${inputs.kind} entry "${inputs.name}": ${error.answer}`);
        }
        throw error;
    }
}

function refuseConfig(text: string): string | undefined {
    const parsed = parseConfig(text);
    return typeof parsed === "string" ? parsed : undefined;
}

/** `<kind>/<name>`, or `<partition>/<namespace>/<kind>/<name>`: the official plugin's forms. */
function importKey(id: string): EntryKey {
    const parts = id.split("/");
    if (parts.length === 2) {
        return { kind: parts[0]!, name: parts[1]! };
    }
    if (parts.length === 4) {
        return { partition: parts[0]!, namespace: parts[1]!, kind: parts[2]!, name: parts[3]! };
    }
    throw new Error(
        `"${id}" does not name a config entry: use <kind>/<name> or <partition>/<namespace>/<kind>/<name>`,
    );
}
