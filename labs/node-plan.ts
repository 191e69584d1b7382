/** A machine of a cluster lab before it exists. */
export interface PlannedNode {
    /** Stable: the machine's name in every place, `server-1`, `client-2`. */
    name: string;
    /** Votes in Consul's and Nomad's consensus. */
    server: boolean;
    /** Runs jobs. */
    client: boolean;
}

/** The machines of a lab with so many servers and clients; without clients the servers run the jobs themselves. */
export function planNodes(servers: number, clients: number): PlannedNode[] {
    return [
        ...numbered("server", servers).map((name) => ({ name, server: true, client: clients === 0 })),
        ...numbered("client", clients).map((name) => ({ name, server: false, client: true })),
    ];
}

/** What a node is for, in words for labels and outputs. */
export function rolesOf(node: PlannedNode): string[] {
    return [
        ...(node.server ? ["consul-server", "nomad-server"] : ["consul-client"]),
        ...(node.client ? ["nomad-client"] : []),
    ];
}

function numbered(prefix: string, count: number): string[] {
    return Array.from({ length: count }, (_, index) => `${prefix}-${index + 1}`);
}
