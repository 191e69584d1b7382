import { map, object, resource, string } from "../lib";
import { read, removeWhenUnused, write, type NodePool } from "./acl";

import type { NomadClient } from "./client";

interface Inputs {
    name: string;
    description?: string;
    meta?: Record<string, string>;
    schedulerConfig?: { memoryOversubscription?: string; schedulerAlgorithm?: string };
}

export const nodePool = resource<NomadClient, Inputs, Inputs>({
    inputs: {
        name: string({ autoName: true, replace: true, validate: refuseName }),
        description: string({ validate: refuseDescription }),
        meta: map(string()),
        // Nomad Community refuses it.
        schedulerConfig: object({
            memoryOversubscription: string({ oneOf: ["enabled", "disabled"] }),
            schedulerAlgorithm: string({ oneOf: ["binpack", "spread"] }),
        }),
    },

    create: async (context, inputs) => {
        await write(context, "/v1/node/pools", what(inputs.name), bodyOf(inputs));
        return { id: inputs.name, outputs: {} };
    },

    read: async (context, id) => {
        const found = await read<NodePool>(context, path(id));
        return (
            found && {
                outputs: {},
                inputs: {
                    name: found.Name,
                    description: found.Description,
                    meta: found.Meta ?? {},
                    schedulerConfig: observedConfig(found.SchedulerConfiguration),
                },
            }
        );
    },

    update: async (context, id, _state, news) => {
        await write(context, path(id), what(id), bodyOf(news));
        return {};
    },

    delete: async (context, id) => removeWhenUnused(context, path(id), what(id)),
});

const path = (name: string): string => `/v1/node/pool/${encodeURIComponent(name)}`;
const what = (name: string): string => `node pool "${name}"`;

function bodyOf({ name, description = "", meta = {}, schedulerConfig }: Inputs): NodePool {
    const oversubscription = schedulerConfig?.memoryOversubscription;
    return {
        Name: name,
        Description: description,
        Meta: meta,
        SchedulerConfiguration: schedulerConfig && {
            SchedulerAlgorithm: schedulerConfig.schedulerAlgorithm ?? "",
            ...(oversubscription ? { MemoryOversubscriptionEnabled: oversubscription === "enabled" } : {}),
        },
    };
}

function observedConfig(found: NodePool["SchedulerConfiguration"]): Inputs["schedulerConfig"] {
    if (!found) {
        return undefined;
    }
    const enabled = found.MemoryOversubscriptionEnabled ?? undefined;
    return {
        ...(enabled === undefined ? {} : { memoryOversubscription: enabled ? "enabled" : "disabled" }),
        ...(found.SchedulerAlgorithm ? { schedulerAlgorithm: found.SchedulerAlgorithm } : {}),
    };
}

function refuseName(name: string): string | undefined {
    return name.length >= 1 && name.length <= 128 ? undefined : "must have 1 to 128 characters";
}

function refuseDescription(text: string): string | undefined {
    return text.length <= 256 ? undefined : "must have at most 256 characters";
}
