import { resource, set, string } from "../lib";

import type { Place } from "./catalog";
import type { ConsulClient } from "./client";
import type { Policy } from "./acl";

interface Inputs extends Pick<Place, "namespace" | "partition"> {
    name: string;
    description?: string;
    rules: string;
    datacenters?: string[];
}

export const aclPolicy = resource<ConsulClient, Inputs, Inputs>({
    inputs: {
        name: string({ autoName: true }),
        description: string(),
        rules: string({ required: true }),
        datacenters: set(),
        namespace: string({ replace: true }),
        partition: string({ replace: true }),
    },

    create: async (context, inputs) => {
        const what = `ACL policy "${inputs.name}"`;
        const { ID } = await context.client.acl.create(context, "policy", what, body(inputs), inputs);
        return { id: ID, outputs: {} };
    },

    read: async (context, id, state) => {
        const found = await context.client.acl.read(context, "policy", id, state ?? {});
        return (
            found && {
                outputs: {},
                inputs: {
                    name: found.Name,
                    description: found.Description,
                    rules: found.Rules,
                    datacenters: found.Datacenters ?? [],
                },
            }
        );
    },

    update: async (context, id, _state, news) => {
        const what = `ACL policy "${news.name}"`;
        await context.client.acl.update(context, "policy", id, what, { ...body(news), ID: id }, news);
        return {};
    },

    delete: async (context, id, state) => context.client.acl.remove(context, "policy", id, state),
});

function body({ name, description = "", rules, datacenters = [] }: Inputs): Omit<Policy, "ID"> {
    return { Name: name, Description: description, Rules: rules, Datacenters: datacenters };
}
