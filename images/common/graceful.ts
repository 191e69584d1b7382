import * as http from "node:http";
import type { AddressInfo } from "node:net";

export interface GracefulOptions {
    handler: (request: http.IncomingMessage, response: http.ServerResponse, draining: boolean) => void;
    /**
     * Milliseconds between the request to stop and the closed port. In that time `/health` answers 503 and everything
     * else is served, so that balancers which look at health turn away before a connection is refused.
     */
    drainDelayMs: number;
}

/**
 * An HTTP server that leaves without dropping a request: it first says that it is going, then closes its port, lets
 * running requests finish, and closes kept-alive connections when they are idle.
 */
export class GracefulServer {
    readonly server: http.Server;
    private readonly drainDelayMs: number;
    private drained: Promise<void> | undefined;

    constructor(options: GracefulOptions) {
        this.drainDelayMs = options.drainDelayMs;
        this.server = http.createServer((request, response) => {
            if (this.draining) {
                response.setHeader("Connection", "close");
            }
            options.handler(request, response, this.draining);
        });
        // Longer than a balancer keeps an idle connection: the side that sends requests must be the one that closes.
        this.server.keepAliveTimeout = 75_000;
        this.server.headersTimeout = 80_000;
    }

    get draining(): boolean {
        return this.drained !== undefined;
    }

    listen(port: number, host = "0.0.0.0"): Promise<number> {
        return new Promise((resolve, reject) => {
            this.server.once("error", reject);
            this.server.listen(port, host, () => {
                this.server.removeListener("error", reject);
                resolve((this.server.address() as AddressInfo).port);
            });
        });
    }

    /** Resolves when the last connection is gone. */
    drain(): Promise<void> {
        this.drained ??= this.close();
        return this.drained;
    }

    private async close(): Promise<void> {
        await new Promise((resolve) => setTimeout(resolve, this.drainDelayMs));
        const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
        // A kept-alive connection that was busy when the port closed becomes idle later.
        const sweep = setInterval(() => this.server.closeIdleConnections(), 50);
        this.server.closeIdleConnections();
        await closed;
        clearInterval(sweep);
    }
}

/** Runs a program's main function: drains on SIGTERM and SIGINT, and turns a failure to start into one line. */
export function run(main: () => Promise<{ drain(): Promise<void> }>): void {
    const started = main();
    started.catch((error: unknown) => {
        console.error(error instanceof Error ? error.message : error);
        process.exit(1);
    });
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
        process.once(signal, () => {
            console.log(`${signal}: draining`);
            void started.then((service) => service.drain()).then(() => process.exit(0));
        });
    }
}
