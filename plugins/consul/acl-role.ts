import { resource, set, string } from "../lib";
import {
    grantsOf,
    nodeIdentities,
    observedGrants,
    serviceIdentities,
    templatedPolicies,
    type GrantInputs,
} from "./acl-grants";

import type { Context } from "../lib";
import type { Link, Role } from "./acl";
import type { Place } from "./catalog";
import type { ConsulClient } from "./client";

interface Inputs extends GrantInputs, Pick<Place, "namespace" | "partition"> {
    name: string;
    description?: string;
    policies?: string[];
}

/** Unlike a token's, its policies may be ids as well as names. */
export const aclRole = resource<ConsulClient, Inputs, Inputs>({
    inputs: {
        name: string({ autoName: true }),
        description: string(),
        policies: set(),
        serviceIdentities,
        nodeIdentities,
        templatedPolicies,
        namespace: string({ replace: true }),
        partition: string({ replace: true }),
    },

    create: async (context, inputs) => {
        const what = `ACL role "${inputs.name}"`;
        const body = await bodyOf(context, inputs);
        const { ID } = await context.client.acl.create(context, "role", what, body, inputs);
        return { id: ID, outputs: {} };
    },

    read: async (context, id, state, inputs) => {
        const found = await context.client.acl.read(context, "role", id, state ?? {});
        const asNamed = new Set(inputs?.policies ?? []);
        return (
            found && {
                outputs: {},
                inputs: {
                    name: found.Name,
                    description: found.Description,
                    policies: (found.Policies ?? []).map(({ ID, Name = "" }) =>
                        asNamed.has(Name) ? Name : ID,
                    ),
                    ...observedGrants(found),
                },
            }
        );
    },

    update: async (context, id, _state, news) => {
        const body = { ...(await bodyOf(context, news)), ID: id };
        await context.client.acl.update(context, "role", id, `ACL role "${news.name}"`, body, news);
        return {};
    },

    delete: async (context, id, state) => context.client.acl.remove(context, "role", id, state),
});

async function bodyOf(context: Context<ConsulClient>, inputs: Inputs): Promise<Partial<Role>> {
    return {
        Name: inputs.name,
        Description: inputs.description ?? "",
        Policies: await Promise.all((inputs.policies ?? []).map((policy) => link(context, policy, inputs))),
        ...grantsOf(inputs),
    };
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** A name may look like an id. */
async function link(context: Context<ConsulClient>, policy: string, place: Place): Promise<Link> {
    const isId = uuid.test(policy) && (await context.client.acl.read(context, "policy", policy, place));
    return isId ? { ID: policy } : { Name: policy };
}
