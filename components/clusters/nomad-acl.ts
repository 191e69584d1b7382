import * as nomad from "@pulumi/nomad";
import * as pulumi from "@pulumi/pulumi";

import { ports } from "../security/ports";
import { scriptProgram } from "./node-script";
import { nomadCaFile } from "./nomad-configuration";

export interface NomadCommandParameters {
    /** A server's API as that machine reaches it. Default: `https://127.0.0.1:4646`. */
    api?: string;
    /** File with the authority of its certificate. Default: the one that `secureNomad` puts there. */
    ca?: string;
    /** How long the cluster may take to elect a leader, in seconds. Default: 60. */
    timeout?: number;
}

/**
 * A command, and its input, after which the management token with this secret (a UUID) is known: run on a server, as
 * often as you like. A cluster takes such a secret once in its life. If it has taken another one the command fails and
 * says how to recover. It prints `{ bootstrapped, seconds }`; the secret is in the input alone. Pure.
 */
export function nomadBootstrap(
    secret: string,
    {
        api = `https://127.0.0.1:${ports.nomadHttp.from}`,
        ca = nomadCaFile,
        timeout = 60,
    }: NomadCommandParameters = {},
): { create: string; stdin: string } {
    return scriptProgram(["acl.py", "nomad_api.py", "nomad_acl.py"], { api, ca, timeout }, "main_of_nomad", {
        secret,
    });
}

/**
 * What tokens other than the management's may do. Some things Nomad lets management do alone: snapshots, Raft's peers
 * (reading them, too), handing over leadership, and the ACLs themselves.
 */
export const nomadPolicies = {
    operators: {
        purpose: "looks at everything and changes nothing; reads no variables and no tokens",
        rules: `
namespace "*" {
  policy       = "read"
  capabilities = ["read-logs"]
}
node_pool "*" {
  policy = "read"
}
node {
  policy = "read"
}
agent {
  policy = "read"
}
operator {
  policy = "read"
}
plugin {
  policy = "read"
}
`.trimStart(),
    },
    deploy: {
        purpose: "runs, scales and stops jobs; opens no shell in them and sees no node",
        rules: `
namespace "default" {
  policy       = "read"
  capabilities = ["submit-job", "dispatch-job", "scale-job", "read-logs", "alloc-lifecycle"]
}
`.trimStart(),
    },
} as const satisfies Record<string, { purpose: string; rules: string }>;

export type NomadPolicyName = keyof typeof nomadPolicies;

export interface NomadAccessArgs {
    /** Works with the management token; its address says that the ACLs are bootstrapped. */
    provider: nomad.Provider;
    /** A number from 1 up. Another one replaces the tokens, the new before the old. Default: 1. */
    rotation?: number;
}

/** A policy and a token for each of {@link nomadPolicies}. */
export class NomadAccess extends pulumi.ComponentResource {
    /** The tokens' secrets, as Nomad has made them. Secret. */
    readonly tokens: Readonly<Record<NomadPolicyName, pulumi.Output<string>>>;

    constructor(name: string, args: NomadAccessArgs, opts?: pulumi.ComponentResourceOptions) {
        super("gatehouse:clusters:NomadAccess", name, {}, opts);
        // Children do not inherit deletedWith.
        const own = { parent: this, provider: args.provider, deletedWith: opts?.deletedWith };
        const token = (policyName: NomadPolicyName): pulumi.Output<string> => {
            const { purpose, rules } = nomadPolicies[policyName];
            const policy = new nomad.AclPolicy(
                `${name}-${policyName}`,
                { name: policyName, description: purpose, rulesHcl: rules },
                own,
            );
            return new nomad.AclToken(
                `${name}-${policyName}-${args.rotation ?? 1}`,
                { name: policyName, type: "client", policies: [policy.name] },
                { ...own, additionalSecretOutputs: ["secretId"] },
            ).secretId;
        };
        this.tokens = { operators: token("operators"), deploy: token("deploy") };
        this.registerOutputs({});
    }
}
