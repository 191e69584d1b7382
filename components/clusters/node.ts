/** A machine as the other members of its cluster know it. */
export interface NodeAddress {
    /** The machine's name; agents are called by it. */
    name: string;
    /** Its private address. */
    address: string;
}

/** Whether the node is among the servers. */
export function isServer(node: NodeAddress, servers: readonly NodeAddress[]): boolean {
    return servers.some((server) => server.name === node.name);
}
