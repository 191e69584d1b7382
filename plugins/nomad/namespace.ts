import { list, map, object, resource, string } from "../lib";
import { read, removeWhenUnused, write, type Namespace } from "./acl";

import type { NomadClient } from "./client";

interface Inputs {
    name: string;
    description?: string;
    quota?: string;
    meta?: Record<string, string>;
    capabilities?: { enabledTaskDrivers?: string[]; disabledTaskDrivers?: string[] };
}

/** `nodePoolConfig`, which needs Nomad Enterprise, is not covered. */
export const namespace = resource<NomadClient, Inputs, Inputs>({
    inputs: {
        name: string({ autoName: true, replace: true }),
        description: string(),
        quota: string(),
        meta: map(string()),
        capabilities: object({ enabledTaskDrivers: list(), disabledTaskDrivers: list() }),
    },

    create: async (context, inputs) => {
        await write(context, "/v1/namespace", what(inputs.name), bodyOf(inputs));
        return { id: inputs.name, outputs: {} };
    },

    read: async (context, id) => {
        const found = await read<Namespace>(context, path(id));
        return (
            found && {
                outputs: {},
                inputs: {
                    name: found.Name,
                    description: found.Description,
                    quota: found.Quota ?? "",
                    meta: found.Meta ?? {},
                    capabilities: observedCapabilities(found.Capabilities),
                },
            }
        );
    },

    update: async (context, id, _state, news) => {
        await write(context, path(id), what(id), bodyOf(news));
        return {};
    },

    delete: async (context, id) => {
        if (id === "default") {
            const plain = bodyOf({ name: id, description: "Default shared namespace" });
            await write(context, path(id), what(id), plain);
            return;
        }
        await removeWhenUnused(context, path(id), what(id));
    },
});

const path = (name: string): string => `/v1/namespace/${encodeURIComponent(name)}`;
const what = (name: string): string => `namespace "${name}"`;

function bodyOf({ name, description = "", quota = "", meta, capabilities }: Inputs): Namespace {
    return {
        Name: name,
        Description: description,
        Quota: quota,
        Meta: meta ?? {},
        Capabilities: capabilities && {
            EnabledTaskDrivers: capabilities.enabledTaskDrivers ?? [],
            DisabledTaskDrivers: capabilities.disabledTaskDrivers ?? [],
        },
    };
}

function observedCapabilities(found: Namespace["Capabilities"]): Inputs["capabilities"] {
    const [enabled, disabled] = [found?.EnabledTaskDrivers ?? [], found?.DisabledTaskDrivers ?? []];
    if (enabled.length === 0 && disabled.length === 0) {
        return undefined;
    }
    return {
        ...(enabled.length > 0 ? { enabledTaskDrivers: enabled } : {}),
        ...(disabled.length > 0 ? { disabledTaskDrivers: disabled } : {}),
    };
}
