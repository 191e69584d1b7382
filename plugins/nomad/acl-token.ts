import { boolean, object, resource, set, string } from "../lib";
import { refuseDuration, sameDuration } from "../lib/duration";
import { read, remove, write, type Token } from "./acl";

import type { NomadClient } from "./client";

interface Inputs {
    name?: string;
    type: string;
    policies?: string[];
    roles?: { id: string; name?: string }[];
    global: boolean;
    expirationTtl: string;
}

interface Outputs extends Inputs {
    accessorId: string;
    secretId: string;
    createTime: string;
    expirationTime: string;
}

export const aclToken = resource<NomadClient, Inputs, Outputs>({
    inputs: {
        name: string({ autoName: true }),
        type: string({ required: true }),
        policies: set(),
        roles: set(object({ id: string({ required: true }), name: string({ computed: true }) })),
        global: boolean({ default: false, replace: true }),
        expirationTtl: string({
            default: "0s",
            replace: true,
            same: sameDuration,
            validate: refuseDuration,
        }),
    },
    outputs: {
        accessorId: string(),
        secretId: string({ secret: true }),
        createTime: string(),
        expirationTime: string(),
    },

    create: async (context, inputs) => {
        const made = await write<Token>(context, "/v1/acl/token", what(inputs.name), bodyOf(inputs));
        return { id: made.AccessorID, outputs: { ...outputsOf(made), ...rolesOf(made) } };
    },

    read: async (context, id) => {
        const found = await read<Token>(context, path(id));
        return (
            found && {
                outputs: { ...outputsOf(found), ...rolesOf(found) },
                inputs: {
                    name: found.Name,
                    type: found.Type,
                    policies: found.Policies ?? [],
                    roles: rolesOf(found).roles ?? [],
                    global: found.Global,
                    expirationTtl: found.ExpirationTTL || "0s",
                },
            }
        );
    },

    update: async (context, id, _state, news) => {
        const body = { ...bodyOf(news), AccessorID: id };
        return rolesOf(await write<Token>(context, path(id), what(news.name), body));
    },

    delete: async (context, id) => remove(context, path(id), `ACL token ${id}`),
});

const path = (accessorId: string): string => `/v1/acl/token/${encodeURIComponent(accessorId)}`;
const what = (name: string | undefined): string => (name ? `ACL token "${name}"` : "ACL token");

function bodyOf(inputs: Inputs): Partial<Token> {
    return {
        Name: inputs.name ?? "",
        Type: inputs.type,
        Policies: inputs.policies ?? [],
        Roles: (inputs.roles ?? []).map(({ id }) => ({ ID: id })),
        Global: inputs.global,
        ExpirationTTL: inputs.expirationTtl,
    };
}

function outputsOf(token: Token): Omit<Outputs, keyof Inputs> {
    return {
        accessorId: token.AccessorID,
        secretId: token.SecretID,
        // As Go prints and formats times, which is what the official plugin tells.
        createTime: token.CreateTime.replace("T", " ").replace(/Z$/, " +0000 UTC"),
        expirationTime: (token.ExpirationTime ?? "").replace(/\.\d+/, ""),
    };
}

/** With the names that the program leaves out. */
function rolesOf({ Roles }: Token): Pick<Outputs, "roles"> {
    return Roles && Roles.length > 0
        ? { roles: Roles.map(({ ID, Name = "" }) => ({ id: ID, name: Name })) }
        : {};
}
