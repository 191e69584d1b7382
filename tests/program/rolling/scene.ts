/** What the test tells the program, as JSON in `ROLLING_SCENE`. */
export interface Scene {
    /** A file that gets a line for everything that happens. */
    log: string;
    privateKey: string;
    hostKey: string;
    rollToken: string;
    nodes: {
        name: string;
        /** The node's SSH server. */
        port: number;
        /** Its Consul agent's API. */
        api: string;
        /** The folder in which it remembers. */
        state: string;
        /** Another one replaces the machine. */
        generation: number;
    }[];
}
