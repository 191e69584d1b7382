import { map, resource, string } from "../lib";

import type { Place } from "./catalog";
import type { ConsulClient } from "./client";

interface Inputs extends Place {
    name: string;
    address: string;
    meta?: Record<string, string>;
}

/** A node of the catalogue on which no Consul agent runs. Its removal takes its services and checks with it. */
export const node = resource<ConsulClient, Inputs, Inputs>({
    inputs: {
        name: string({ autoName: true, replace: true }),
        address: string({ required: true, replace: true }),
        meta: map(string()),
        datacenter: string({ computed: true, replace: true }),
        partition: string({ replace: true }),
    },

    create: async (context, inputs) => {
        await context.client.catalog.register(context, `node "${inputs.name}"`, registration(inputs), inputs);
        const found = await context.client.catalog.node(context, inputs.name, inputs);
        return { id: idOf(inputs), outputs: { datacenter: inputs.datacenter ?? found?.Node.Datacenter } };
    },

    read: async (context, id, state) => {
        // An import gives the name alone.
        const found = await context.client.catalog.node(context, state?.name ?? id, state ?? {});
        if (!found) {
            return undefined;
        }
        const { Node: name, Address: address, Datacenter: datacenter, Meta } = found.Node;
        return {
            id: idOf({ name, address }),
            outputs: { datacenter },
            inputs: { name, address, meta: Meta ?? {} },
        };
    },

    update: async (context, _id, _state, news) => {
        await context.client.catalog.register(context, `node "${news.name}"`, registration(news), news);
        return {};
    },

    delete: async (context, _id, state) =>
        context.client.catalog.deregister(context, { Node: state.name }, state),
});

function registration({ name, address, meta }: Inputs): Record<string, unknown> {
    return { Node: name, Address: address, NodeMeta: meta };
}

/** The official plugin's form. */
function idOf({ name, address }: Pick<Inputs, "name" | "address">): string {
    return `${name}-${address}`;
}
