import * as http from "node:http";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

import { Catalog, type CatalogCheck } from "../../../images/monitor/catalog";
import { Monitor } from "../../../images/monitor/monitor";
import { eventually } from "../../support/poll";

import type { Definition } from "../../../images/monitor/checks";
import type { Agent } from "../../support/agents";

/** A web server that counts, and whose answers a test decides. */
export class Target {
    readonly requests: { at: number; path: string; method: string; headers: http.IncomingHttpHeaders }[] = [];
    /** Undefined: no answer at all. */
    status: number | undefined = 200;
    private constructor(private readonly server: http.Server) {}

    static async start(answer?: http.RequestListener): Promise<Target> {
        const server = http.createServer();
        const target = new Target(server);
        server.on("request", (request: http.IncomingMessage, response: http.ServerResponse) => {
            const { url = "", method = "", headers } = request;
            target.requests.push({ at: performance.now(), path: url, method, headers });
            if (answer) {
                answer(request, response);
            } else if (target.status !== undefined) {
                response.writeHead(target.status).end("hello");
            }
        });
        await listen(server);
        return target;
    }

    url(path = "/"): string {
        return `http://127.0.0.1:${portOf(this.server)}${path}`;
    }

    async stop(): Promise<void> {
        this.server.closeAllConnections();
        await new Promise((resolve) => this.server.close(resolve));
    }
}

/** Stands between the monitor and Consul, and can be cut. */
export class Line {
    private readonly sockets = new Set<Socket>();
    private readonly server: Server;
    private isCut = false;

    constructor(private readonly to: number) {
        this.server = createServer((near) => {
            if (this.isCut) {
                near.destroy();
                return;
            }
            const far = connect(this.to, "127.0.0.1");
            for (const [one, other] of [
                [near, far],
                [far, near],
            ] as const) {
                this.sockets.add(one);
                one.on("error", () => other.destroy()).on("close", () => this.sockets.delete(one));
                one.pipe(other);
            }
        });
    }

    async open(): Promise<URL> {
        await listen(this.server);
        return new URL(`http://127.0.0.1:${portOf(this.server)}`);
    }
    cut(): void {
        this.isCut = true;
        this.sockets.forEach((socket) => socket.destroy());
    }
    mend(): void {
        this.isCut = false;
    }
    async close(): Promise<void> {
        this.cut();
        await new Promise((resolve) => this.server.close(resolve));
    }
}

/** Consul's catalogue as a test writes and reads it. */
export class Scene {
    constructor(private readonly agent: Agent) {}

    /** A monitor as in the image, but for checks that are made more often. */
    monitor(address = new URL(this.agent.address), log: string[] = []): Monitor {
        return new Monitor({
            catalog: new Catalog({ address, waitSeconds: 5 }),
            log: (line) => log.push(line),
            minimumInterval: 50,
        });
    }

    async node(name: string, meta: Record<string, string> = { "external-node": "true" }): Promise<void> {
        await this.put("catalog/register", { Node: name, Address: "127.0.0.1", NodeMeta: meta });
    }

    /** A service with a check of the same id, critical at first. */
    async service(node: string, id: string, definition: Definition, status = "critical"): Promise<void> {
        await this.put("catalog/register", {
            Node: node,
            SkipNodeUpdate: true,
            Service: { ID: id, Service: "web" },
            Check: {
                Node: node,
                ServiceID: id,
                CheckID: id,
                Name: id,
                Status: status,
                Definition: definition,
            },
        });
    }

    async remove(node: string, id?: string): Promise<void> {
        await this.put("catalog/deregister", { Node: node, ServiceID: id });
    }

    async checks(node: string): Promise<CatalogCheck[]> {
        const response = await fetch(`${this.agent.address}/v1/health/node/${node}`);
        return (await response.json()) as CatalogCheck[];
    }

    /** Waits for all checks of a node to have a status; returns how many milliseconds that took. */
    async settled(node: string, status: string, count = 1, within = 30): Promise<number> {
        const start = performance.now();
        await eventually(
            `${count} checks of ${node} are ${status}`,
            async () => {
                const statuses = (await this.checks(node)).map(({ Status }) => Status);
                if (statuses.length !== count || statuses.some((each) => each !== status)) {
                    throw new Error(statuses.join(" ") || "no checks");
                }
            },
            { within, every: 20 },
        );
        return performance.now() - start;
    }

    private async put(path: string, body: unknown): Promise<void> {
        const response = await fetch(`${this.agent.address}/v1/${path}`, {
            method: "PUT",
            body: JSON.stringify(body),
        });
        if (!response.ok) {
            throw new Error(`${path}: ${response.status} ${await response.text()}`);
        }
    }
}

export function portOf(server: Server): number {
    return (server.address() as AddressInfo).port;
}

function listen(server: Server): Promise<void> {
    return new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
}
