import type * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";

import type { Machine } from "../machines/machine";
import type { ClusterTokens } from "../security/tokens";
import { type AclOptions, consulAcl, consulAclCommand } from "./consul-acl";
import { ensure } from "./ensure";
import { nomadBootstrap } from "./nomad-acl";

export interface AccessControlArgs {
    /** Consul's. */
    datacenter: string;
    /** A server of both clusters: the plans are carried out there. */
    server: Machine;
    tokens: ClusterTokens;
    /** The authorities of Nomad's certificates (PEM): Consul reads the keys of identities from Nomad. */
    nomadCaPem: pulumi.Input<string>;
}

/**
 * What the ACL systems have to know before anybody can do anything: Consul's tokens, policies and its way to believe
 * Nomad's identities, and Nomad's management token. What was there before stays: nodes have the tokens of the generation
 * before until they are configured anew, see {@link forgetTokens}.
 *
 * @param opts the servers have to be configured before: `dependsOn`
 */
export function accessControl(
    name: string,
    args: AccessControlArgs,
    opts: pulumi.CustomResourceOptions,
): command.remote.Command[] {
    const nomad = args.tokens.nomadManagement.apply((secret) => nomadBootstrap(secret));
    return [
        ensure(`${name}-consul-acl`, args.server, consulInput(args, { keep: true }), opts),
        ensure(`${name}-nomad-acl`, args.server, nomad, opts),
    ];
}

/**
 * Removes from Consul what {@link accessControl} has left: from then on the tokens of earlier generations, and those of
 * nodes that are no more, are worth nothing.
 *
 * @param opts all nodes have to have their own tokens before: `dependsOn` their gates
 */
export function forgetTokens(
    name: string,
    args: AccessControlArgs,
    opts: pulumi.CustomResourceOptions,
): command.remote.Command {
    return ensure(`${name}-consul-acl-rest`, args.server, consulInput(args, { keep: false }), opts);
}

function consulInput({ datacenter, tokens, nomadCaPem }: AccessControlArgs, options: AclOptions) {
    return pulumi
        .all([tokens.generations, nomadCaPem])
        .apply(([generations, caPem]) =>
            consulAclCommand(
                consulAcl({ datacenter, rotation: tokens.rotation, tokens: generations, nomad: { caPem } }),
                options,
            ),
        );
}
