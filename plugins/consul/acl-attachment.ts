import { resource, string, type ResourceDefinition } from "../lib";

import type { Context } from "../lib";
import type { Link, Token } from "./acl";
import type { ConsulClient } from "./client";

/** One policy more for a token that is managed elsewhere, e.g. the anonymous one. */
export const aclTokenPolicyAttachment = attachment("policy", "Policies");

/** One role more for a token that is managed elsewhere. */
export const aclTokenRoleAttachment = attachment("role", "Roles");

type Inputs = { tokenId: string } & Record<string, string>;

function attachment(kind: "policy" | "role", member: "Policies" | "Roles"): ResourceDefinition<ConsulClient> {
    const linksOf = (token: Token): Link[] => token[member] ?? [];

    /** Changes the links of a token, one change of a token after the other, because the API only replaces them all. */
    async function change(
        context: Context<ConsulClient>,
        tokenId: string,
        links: (token: Token | undefined) => Link[] | undefined,
    ): Promise<void> {
        const { acl } = context.client;
        await acl.exclusively(tokenId, async () => {
            const token = await acl.read(context, "token", tokenId, {});
            const changed = links(token);
            if (changed) {
                const body = { ...token, [member]: changed };
                await acl.update(
                    context,
                    "token",
                    tokenId,
                    `${kind}s of the ACL token "${tokenId}"`,
                    body,
                    {},
                );
            }
        });
    }

    return resource<ConsulClient, Inputs, Inputs>({
        inputs: {
            tokenId: string({ required: true, replace: true }),
            [kind]: string({ required: true, replace: true }),
        },

        create: async (context, inputs) => {
            const name = inputs[kind]!;
            await change(context, inputs.tokenId, (token) => {
                if (!token) {
                    throw new Error(`Consul has no ACL token of the accessor id "${inputs.tokenId}"`);
                }
                if (linksOf(token).some(({ Name }) => Name === name)) {
                    throw new Error(`the ACL token "${inputs.tokenId}" already has the ${kind} "${name}"`);
                }
                return [...linksOf(token), { Name: name }];
            });
            return { id: `${inputs.tokenId}:${name}`, outputs: {} };
        },

        read: async (context, id) => {
            const [tokenId, name] = parse(id);
            const token = await context.client.acl.read(context, "token", tokenId, {});
            return token && linksOf(token).some(({ Name }) => Name === name)
                ? { outputs: {}, inputs: { tokenId, [kind]: name } }
                : undefined;
        },

        delete: async (context, id) => {
            const [tokenId, name] = parse(id);
            await change(context, tokenId, (token) => {
                const left = token && linksOf(token).filter(({ Name }) => Name !== name);
                return left && left.length < linksOf(token).length ? left : undefined;
            });
        },
    });

    function parse(id: string): [tokenId: string, name: string] {
        const at = id.indexOf(":");
        if (at < 1 || at === id.length - 1) {
            throw new Error(`"${id}" does not name a ${kind} of a token: use <accessor id>:<${kind} name>`);
        }
        return [id.slice(0, at), id.slice(at + 1)];
    }
}
