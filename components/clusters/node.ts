import type * as pulumi from "@pulumi/pulumi";

import type { Machine } from "../machines/machine";

/** A machine as the other members of its cluster know it. */
export interface NodeAddress {
    /** The machine's name; agents are called by it. */
    name: string;
    /** Its private address. */
    address: string;
}

/** The servers that a node has to reach on a port, itself left out: `host:port` by name. */
export function peersOf(
    node: NodeAddress,
    servers: readonly NodeAddress[],
    port: number,
): Record<string, string> {
    return Object.fromEntries(
        servers
            .filter(({ name }) => name !== node.name)
            .map(({ name, address }) => [name, `${address}:${port}`]),
    );
}

/** A machine as the others will know it. */
export function nodeAddress(machine: Machine): pulumi.Output<NodeAddress> {
    return machine.privateAddress.apply((address) => ({ name: machine.name, address }));
}

/**
 * The interface of a machine's private address, in go-sockaddr's words, where the machine's default route leaves by another:
 * what Nomad has to be told (`networkInterface`), which takes the default route's for its jobs.
 */
export function privateInterface(machine: Machine): pulumi.Output<string | undefined> {
    return machine.privateAddress.apply((address) =>
        machine.publicInterface
            ? // A regular expression; the address is followed by its network's length.
              `{{ GetAllInterfaces | include "address" "^${address.replaceAll(".", "[.]")}(/|$)" | attr "name" }}`
            : undefined,
    );
}

/**
 * What the servers are told about each other's health, in the words that Consul and Nomad share. Taken over by a new
 * cluster only: later the cluster keeps its own copy. Pure.
 */
export function autopilot(servers: readonly NodeAddress[]): object {
    return {
        cleanup_dead_servers: true,
        // A dead server keeps its place until its successor has joined. Without it, one would be put away within
        // seconds, and its return after the end of a second one would make no majority.
        ...(servers.length >= 3 ? { min_quorum: 3 } : {}),
        // The default, 200 ms, calls a busy machine with two cores unhealthy.
        last_contact_threshold: "1s",
        // How long a new server must be healthy before it votes; every rolled server waits for it.
        server_stabilization_time: "5s",
    };
}

/** Whether the node is among the servers. */
export function isServer(node: NodeAddress, servers: readonly NodeAddress[]): boolean {
    return servers.some((server) => server.name === node.name);
}
