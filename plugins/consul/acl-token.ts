import { boolean, resource, set, string } from "../lib";
import {
    grantsOf,
    nodeIdentities,
    observedGrants,
    serviceIdentities,
    templatedPolicies,
    type GrantInputs,
} from "./acl-grants";

import type { Link, Token } from "./acl";
import type { Place } from "./catalog";
import type { ConsulClient } from "./client";

interface Inputs extends GrantInputs, Pick<Place, "namespace" | "partition"> {
    accessorId?: string;
    description?: string;
    policies?: string[];
    roles?: string[];
    local?: boolean;
    expirationTime?: string;
}

/** A token. Its secret is no output, as in the official plugin: the function `getAclTokenSecretId` tells it. */
export const aclToken = resource<ConsulClient, Inputs, Inputs>({
    inputs: {
        accessorId: string({ computed: true, replace: true }),
        description: string(),
        policies: set(),
        roles: set(),
        serviceIdentities,
        nodeIdentities,
        templatedPolicies,
        local: boolean({ default: false, replace: true }),
        expirationTime: string({ replace: true, same: sameTime, validate: refuseTime }),
        namespace: string({ replace: true }),
        partition: string({ replace: true }),
    },

    create: async (context, inputs) => {
        const body = { ...bodyOf(inputs), AccessorID: inputs.accessorId };
        const { AccessorID } = await context.client.acl.create(context, "token", name(inputs), body, inputs);
        return { id: AccessorID, outputs: { accessorId: AccessorID } };
    },

    read: async (context, id, state) => {
        const found = await context.client.acl.read(context, "token", id, state ?? {});
        return (
            found && {
                outputs: { accessorId: found.AccessorID },
                inputs: {
                    accessorId: found.AccessorID,
                    description: found.Description,
                    policies: names(found.Policies),
                    roles: names(found.Roles),
                    ...observedGrants(found),
                    local: found.Local,
                    expirationTime: found.ExpirationTime ?? undefined,
                },
            }
        );
    },

    update: async (context, id, _state, news) => {
        const body = { ...bodyOf(news), AccessorID: id };
        await context.client.acl.update(context, "token", id, name(news), body, news);
        return {};
    },

    delete: async (context, id, state) => context.client.acl.remove(context, "token", id, state),
});

function bodyOf(inputs: Inputs): Partial<Token> {
    return {
        Description: inputs.description ?? "",
        Policies: links(inputs.policies),
        Roles: links(inputs.roles),
        ...grantsOf(inputs),
        Local: inputs.local ?? false,
        ...(inputs.expirationTime ? { ExpirationTime: inputs.expirationTime } : {}),
    };
}

function links(policies: string[] = []): Link[] {
    return policies.map((policy) => ({ Name: policy }));
}

function names(found: Link[] | null | undefined): string[] {
    return (found ?? []).map(({ Name }) => Name ?? "");
}

function name({ description, accessorId }: Inputs): string {
    const called = description ?? accessorId;
    return called ? `ACL token "${called}"` : "ACL token";
}

const rfc3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;

function refuseTime(text: string): string | undefined {
    return rfc3339.test(text) && !Number.isNaN(Date.parse(text))
        ? undefined
        : 'must be a time such as "2030-01-31T12:00:00Z"';
}

function sameTime(left: unknown, right: unknown): boolean {
    return Date.parse(String(left)) === Date.parse(String(right));
}
