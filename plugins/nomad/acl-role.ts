import { object, resource, set, string } from "../lib";
import { read, remove, write, type Role } from "./acl";

import type { NomadClient } from "./client";

interface Inputs {
    name: string;
    description?: string;
    policies: { name: string }[];
}

export const aclRole = resource<NomadClient, Inputs, Inputs>({
    inputs: {
        name: string({ autoName: true }),
        description: string(),
        policies: set(object({ name: string({ required: true }) }), { required: true }),
    },

    create: async (context, inputs) => {
        const { ID } = await write<Role>(context, "/v1/acl/role", what(inputs.name), bodyOf(inputs));
        return { id: ID, outputs: {} };
    },

    read: async (context, id) => {
        const found = await read<Role>(context, path(id));
        return (
            found && {
                outputs: {},
                inputs: {
                    name: found.Name,
                    description: found.Description,
                    policies: (found.Policies ?? []).map(({ Name }) => ({ name: Name })),
                },
            }
        );
    },

    update: async (context, id, _state, news) => {
        await write(context, path(id), what(news.name), { ...bodyOf(news), ID: id });
        return {};
    },

    delete: async (context, id, state) => remove(context, path(id), what(state.name)),
});

const path = (id: string): string => `/v1/acl/role/${encodeURIComponent(id)}`;
const what = (name: string): string => `ACL role "${name}"`;

function bodyOf({ name, description = "", policies }: Inputs): Omit<Role, "ID"> {
    return {
        Name: name,
        Description: description,
        Policies: policies.map((policy) => ({ Name: policy.name })),
    };
}
