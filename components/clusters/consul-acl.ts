import { createHash } from "node:crypto";

import { ports } from "../security/ports";
import { consulPolicies, type ConsulPolicyName } from "./consul-policies";
import { scriptProgram } from "./node-script";

/**
 * Secret ids of one token, this generation's and the next one's. Consul knows both, so that a rotation gives
 * everybody a token that is valid already: the next becomes the current one, and what was current goes at the end.
 */
export interface TokenSecrets {
    current: string;
    /** Default: the token is not rotated ahead of time. */
    next?: string;
}

export interface ConsulAclArgs {
    datacenter: string;
    /** How often tokens were rotated, from 1 on; the next generation is `rotation + 1`. Default: 1. */
    rotation?: number;
    /** All secret. */
    tokens: {
        /** May do everything; the current one is the servers' `initial_management`. */
        management: TokenSecrets;
        /** The agents' tokens, by their nodes' names. */
        agents: Record<string, TokenSecrets>;
    } & Partial<Record<ConsulPolicyName, TokenSecrets>>;
    nomad: {
        /** The authority of Nomad's certificates (PEM). */
        caPem: string;
        /**
         * Where the leader among Consul's servers reads the keys that Nomad signs identities with. It must answer
         * when the plan is carried out for the first time: Consul tries it. Default: Nomad on the same machine, which
         * every Consul server of this arrangement has.
         */
        jwksUrl?: string;
    };
}

/** A token, auth method … as Consul's HTTP API knows it, under the name that the plan calls it by. */
export interface AclPlan {
    /** Secret ids of management tokens to work with, in the order in which they are tried. */
    management: string[];
    policies: { name: string; description: string; rules: string }[];
    roles: { name: string; description: string; policies: string[] }[];
    tokens: {
        /** The token's accessor, unless a token with this secret is there already. */
        accessor: string;
        secret: string;
        description: string;
        policies: string[];
        nodeIdentities: { NodeName: string; Datacenter: string }[];
    }[];
    authMethods: { name: string; type: "jwt"; description: string; config: object }[];
    /** Known by their descriptions: Consul gives them ids of its own. */
    bindingRules: {
        description: string;
        authMethod: string;
        bindType: "service" | "role";
        bindName: string;
        selector: string;
    }[];
}

/** What the descriptions of a plan's objects begin with; objects that begin so and are in no plan are removed. */
const mark = "gatehouse: ";

/** The auth method, audience and role as `nomad setup consul` calls them; Nomad's configuration names the first two. */
export const nomadWorkloads = { authMethod: "nomad-workloads", audience: "consul.io" } as const;

/** What Consul's ACL system has to hold. Holds secrets. Pure. */
export function consulAcl(args: ConsulAclArgs): AclPlan {
    const { management, agents, ...byPolicy } = args.tokens;
    const rotation = args.rotation ?? 1;
    const token = (
        name: string,
        secrets: TokenSecrets,
        grants: Partial<Pick<AclPlan["tokens"][number], "policies" | "nodeIdentities">>,
    ): AclPlan["tokens"] =>
        [secrets.current, secrets.next].flatMap((secret, index) =>
            secret === undefined
                ? []
                : [
                      {
                          accessor: accessorId(args.datacenter, name, rotation + index),
                          secret,
                          description: `${mark}${name} (${rotation + index})`,
                          policies: [],
                          nodeIdentities: [],
                          ...grants,
                      },
                  ],
        );
    return {
        management: [management.current, ...(management.next ? [management.next] : [])],
        policies: Object.entries(consulPolicies).map(([name, { purpose, rules }]) => ({
            name,
            description: mark + purpose,
            rules,
        })),
        roles: [
            {
                // The binding rule below yields this name for Nomad's namespace `default`.
                name: "nomad-default-tasks",
                description: `${mark}tasks of Nomad's namespace default`,
                policies: ["nomad-tasks"],
            },
        ],
        tokens: [
            ...token("management", management, { policies: ["global-management"] }),
            ...Object.entries(agents).flatMap(([node, secrets]) =>
                token(`agent ${node}`, secrets, {
                    nodeIdentities: [{ NodeName: node, Datacenter: args.datacenter }],
                }),
            ),
            ...Object.entries(byPolicy).flatMap(([name, secrets]) =>
                token(name, secrets, { policies: [name] }),
            ),
        ],
        authMethods: [
            {
                name: nomadWorkloads.authMethod,
                type: "jwt",
                description: `${mark}Nomad's workload identities`,
                // No MaxTokenTTL: Nomad fetches a service's token once and gives it back when the service stops.
                config: {
                    JWKSURL:
                        args.nomad.jwksUrl ??
                        `https://127.0.0.1:${ports.nomadHttp.from}/.well-known/jwks.json`,
                    JWKSCACert: args.nomad.caPem,
                    JWTSupportedAlgs: ["RS256"],
                    BoundAudiences: [nomadWorkloads.audience],
                    ClaimMappings: Object.fromEntries(claims.map((claim) => [claim, claim])),
                },
            },
        ],
        bindingRules: [
            {
                description: `${mark}services register themselves`,
                authMethod: nomadWorkloads.authMethod,
                bindType: "service",
                bindName: "${value.nomad_service}",
                selector: '"nomad_service" in value',
            },
            {
                description: `${mark}tasks get the role of their namespace`,
                authMethod: nomadWorkloads.authMethod,
                bindType: "role",
                bindName: "nomad-${value.nomad_namespace}-tasks",
                selector: '"nomad_service" not in value',
            },
        ],
    };
}

/** Claims of a Nomad identity that rules may ask for. */
const claims = ["nomad_namespace", "nomad_job_id", "nomad_task", "nomad_service"];

export interface AclCommandParameters {
    /** A server's API as that machine reaches it. Default: `http://127.0.0.1:8500`. */
    api?: string;
    /** How long the cluster may take to elect a leader and to know the management token, in seconds. Default: 60. */
    timeout?: number;
}

export interface AclOptions extends AclCommandParameters {
    /**
     * Leaves what earlier plans made and this one has not, for those who still use it: tokens of the generation before,
     * until every node has its new ones. Default: false.
     */
    keep?: boolean;
}

/**
 * A command, and its input, that makes Consul's ACL system what the plan says: run on a server, as often as you like.
 * It prints what it created, updated and removed as JSON. The secrets are in the input alone. Pure.
 */
export function consulAclCommand(
    plan: AclPlan,
    { api = `http://127.0.0.1:${ports.consulHttp.from}`, timeout = 60, keep = false }: AclOptions = {},
): { create: string; stdin: string } {
    return scriptProgram(["acl.py", "consul_acl.py"], { api, timeout, keep }, "main", plan);
}

/** The accessor of a token's generation: a UUID of version 5 (RFC 9562), so that it says nothing about the secret. */
function accessorId(datacenter: string, name: string, generation: number): string {
    const hash = createHash("sha1")
        .update(Buffer.from(accessorSpace.replaceAll("-", ""), "hex"))
        .update(`${datacenter}/${name}/${generation}`)
        .digest();
    hash[6] = (hash[6]! & 0x0f) | 0x50;
    hash[8] = (hash[8]! & 0x3f) | 0x80;
    const hex = hash.toString("hex");
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
        "-",
    );
}

/** Drawn once at random. */
const accessorSpace = "6f0c7c0e-4c33-4f0f-8f0a-6a2d2b1f5e7d";
