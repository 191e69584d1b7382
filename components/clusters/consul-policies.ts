/** A policy and what it is for; the rules say no more than that takes. */
interface ConsulPolicy {
    purpose: string;
    /** In Consul's language: developer.hashicorp.com/consul/docs/reference/acl/rule. */
    rules: string;
}

const readAgents = 'agent_prefix "" {\n  policy = "read"\n}\n';
const readNodes = 'node_prefix "" {\n  policy = "read"\n}\n';
const readServices = 'service_prefix "" {\n  policy = "read"\n}\n';

/**
 * The lab's own policies. Agents' tokens need none of them: a node identity lets each keep its own node and no other.
 * (Its reading of all services is part of the identity.)
 */
export const consulPolicies = {
    "nomad-server": {
        purpose: "Nomad's servers find each other and register themselves",
        // The vendor's policy has `acl = "write"` and `mesh = "write"` on top: for tokens that servers made before
        // workload identity, and for the configuration of gateways, which no job here has.
        rules: `${readAgents}${readNodes}service "nomad" {\n  policy = "write"\n}\n`,
    },
    "nomad-client": {
        purpose: "Nomad's clients register themselves and deregister what is gone",
        // A service is registered with the token of its own identity, but may outlive that: deregistering and listing
        // is done with the agent's.
        rules: `${readAgents}${readNodes}service_prefix "" {\n  policy = "write"\n}\n`,
    },
    "nomad-tasks": {
        purpose: "a task's template reads the catalogue",
        rules: readNodes + readServices,
    },
    balancer: {
        purpose: "consul-template renders healthy instances",
        rules: readNodes + readServices,
    },
    dns: {
        purpose: "agents answer DNS questions",
        rules: readNodes + readServices,
    },
    roll: {
        purpose: "one node after the other: the turn, leadership handed over, leaving for good",
        rules: [
            'key_prefix "gatehouse/" {\n  policy = "write"\n}\n',
            'session_prefix "" {\n  policy = "write"\n}\n',
            // Handing over leadership, removing a peer and forcing out a member are `operator = "write"`.
            'operator = "write"\n',
            // Leaving is a matter of the agent itself.
            'agent_prefix "" {\n  policy = "write"\n}\n',
            // What the catalogue has of a machine that was replaced is removed by its successor.
            'node_prefix "" {\n  policy = "write"\n}\n',
            readServices,
        ].join(""),
    },
    snapshot: {
        purpose: "takes snapshots",
        // There is nothing less: a snapshot holds all secret ids, so Consul asks for the right to make tokens.
        // A bearer of this token is as mighty as a manager.
        rules: 'acl = "write"\n',
    },
    operator: {
        purpose: "looks at everything and changes nothing; reads no keys and no tokens",
        rules: [
            readAgents,
            readNodes,
            'service_prefix "" {\n  policy = "read"\n  intentions = "read"\n}\n',
            'session_prefix "" {\n  policy = "read"\n}\n',
            'query_prefix "" {\n  policy = "read"\n}\n',
            'mesh = "read"\n',
            'operator = "read"\n',
        ].join(""),
    },
} as const satisfies Record<string, ConsulPolicy>;

export type ConsulPolicyName = keyof typeof consulPolicies;
