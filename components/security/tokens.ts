import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";

import { type ArgumentProblem, countProblem, emptinessProblem, refuseArguments } from "./arguments";

/** Whom Consul's policies and tokens are named after, beside the management and the agents. */
const consulRoles = [
    "nomad-server",
    "nomad-client",
    "balancer",
    "dns",
    "roll",
    "snapshot",
    "operator",
] as const;
export type ConsulRole = (typeof consulRoles)[number];

/** The secret ids of a token: what is used, and what the next rotation will use. */
export interface TokenGenerations {
    current: pulumi.Output<string>;
    next: pulumi.Output<string>;
}

export interface ClusterTokensArgs {
    /** The names of the cluster's nodes. Adding or removing one touches no other's token. */
    nodes: readonly string[];
    /**
     * A number from 1 up. Default 1. Raised by one, every token but the two of the management gives way to its next:
     * Consul knows that one already, so nobody has a token that is not valid. Raised by more, everybody would for a
     * while.
     */
    rotation?: number;
}

/**
 * The secret ids of a cluster's ACL tokens. They are made before anything boots and then given to Consul and Nomad, so
 * that no machine waits until a cluster has made one. All of them are secret.
 */
export class ClusterTokens extends pulumi.ComponentResource {
    /**
     * Consul's `initial_management`: may do everything. Rotation leaves it, as it is what brings in the others: Consul
     * learns of another one only from its servers' configuration, when a leader is elected next.
     */
    readonly consulManagement: pulumi.Output<string>;
    /**
     * Nomad's bootstrap secret: may do everything. Rotation leaves it, as a cluster takes such a secret once in its
     * life; what Nomad has beside it, it makes itself.
     */
    readonly nomadManagement: pulumi.Output<string>;
    /** Operators who look at Consul and change nothing. */
    readonly operator: pulumi.Output<string>;
    /** By node name: Consul's agent there, which may register its own node. */
    readonly agents: Readonly<Record<string, pulumi.Output<string>>>;
    /** Nomad's servers towards Consul. */
    readonly nomadServer: pulumi.Output<string>;
    /** Nomad's clients towards Consul. */
    readonly nomadClient: pulumi.Output<string>;
    /** consul-template beside every HAProxy. */
    readonly balancer: pulumi.Output<string>;
    /** Consul's agents for requests without a token: what DNS answers. */
    readonly dns: pulumi.Output<string>;
    /** The scripts that roll changes out: the turn, and who leads. */
    readonly roll: pulumi.Output<string>;
    /** What saves Consul's snapshots. */
    readonly snapshot: pulumi.Output<string>;
    /** All that Consul has to know: each of these tokens and its next. */
    readonly generations: Readonly<Record<ConsulRole, TokenGenerations>> & {
        readonly management: Pick<TokenGenerations, "current">;
        readonly agents: Readonly<Record<string, TokenGenerations>>;
    };
    /** As in the arguments: the generation of what is current. */
    readonly rotation: number;

    /** @throws pulumi.InputPropertiesError that names every argument that cannot be used. */
    constructor(name: string, args: ClusterTokensArgs, opts?: pulumi.ComponentResourceOptions) {
        super("gatehouse:security:ClusterTokens", name, {}, opts);
        const { nodes, rotation = 1 } = args;
        refuseArguments(`the tokens ${name}`, [
            ...nodes.flatMap((node, index) => nodeProblems(nodes, node, index)),
            ...countProblem("rotation", rotation),
        ]);
        // By name, and not replaced: what is the next token today is the current one after a rotation.
        const generations = (role: string): TokenGenerations => ({
            current: this.token(`${name}-${role}-generation-${rotation}`),
            next: this.token(`${name}-${role}-generation-${rotation + 1}`),
        });
        const agents = Object.fromEntries(nodes.map((node) => [node, generations(`agent-${node}`)]));
        const roles = Object.fromEntries(consulRoles.map((role) => [role, generations(role)])) as Record<
            ConsulRole,
            TokenGenerations
        >;
        this.consulManagement = this.token(`${name}-consul-management`);
        this.nomadManagement = this.token(`${name}-nomad-management`);
        this.operator = roles.operator.current;
        this.agents = Object.fromEntries(nodes.map((node) => [node, agents[node]!.current]));
        this.nomadServer = roles["nomad-server"].current;
        this.nomadClient = roles["nomad-client"].current;
        this.balancer = roles.balancer.current;
        this.dns = roles.dns.current;
        this.roll = roles.roll.current;
        this.snapshot = roles.snapshot.current;
        this.generations = { ...roles, management: { current: this.consulManagement }, agents };
        this.rotation = rotation;
        this.registerOutputs({ rotation });
    }

    /**
     * Not a RandomUuid: that has its value as its id too, and Pulumi keeps ids in plain state and shows them. The id of
     * RandomBytes is `none`.
     */
    private token(name: string): pulumi.Output<string> {
        const bytes = new random.RandomBytes(name, { length: 16 }, { parent: this });
        return pulumi.secret(bytes.hex.apply(uuidOf));
    }
}

/**
 * 16 random bytes, in hexadecimal, as a UUID of version 4 (RFC 9562, section 5.4): the form in which Consul and Nomad
 * take secret ids. Six of the bits say that it is one, 122 stay random.
 */
export function uuidOf(hex: string): string {
    const variant = ((parseInt(hex.slice(16, 17), 16) & 0b0011) | 0b1000).toString(16);
    return [
        hex.slice(0, 8),
        hex.slice(8, 12),
        `4${hex.slice(13, 16)}`,
        `${variant}${hex.slice(17, 20)}`,
        hex.slice(20, 32),
    ].join("-");
}

function nodeProblems(nodes: readonly string[], node: string, index: number): ArgumentProblem[] {
    const propertyPath = `nodes[${index}]`;
    return nodes.indexOf(node) < index
        ? [
              {
                  propertyPath,
                  reason: `is "${node}", as nodes[${nodes.indexOf(node)}] is; give each its own name`,
              },
          ]
        : emptinessProblem(propertyPath, node);
}
