import { string, type FunctionDefinition } from "../lib";

import type { Place } from "./catalog";
import type { ConsulClient } from "./client";

interface Args extends Pick<Place, "namespace" | "partition"> {
    accessorId: string;
}

/** `getAclTokenSecretId`. Encryption for a `pgpKey` is not covered; the secret is a secret of the stack instead. */
export const aclTokenSecretId: FunctionDefinition<ConsulClient> = {
    inputs: {
        accessorId: string({ required: true }),
        namespace: string(),
        partition: string(),
    },
    outputs: {
        id: string(),
        accessorId: string(),
        namespace: string(),
        partition: string(),
        secretId: string({ secret: true }),
        encryptedSecretId: string({ secret: true }),
    },

    invoke: async (context, args: Args) => {
        const { accessorId } = args;
        const token = await context.client.acl.read(context, "token", accessorId, args);
        if (!token) {
            throw new Error(`Consul has no ACL token of the accessor id "${accessorId}"`);
        }
        // Consul hides the secret from whoever may only read ACLs.
        if (token.SecretID === "<hidden>") {
            throw new Error(
                `the provider's "token" may not read the secret of the ACL token "${accessorId}": ` +
                    `give it a policy with acl = "write"`,
            );
        }
        return { id: accessorId, ...args, secretId: token.SecretID, encryptedSecretId: "" };
    },
};
