import { once } from "node:events";
import * as http from "node:http";
import * as https from "node:https";
import type { AddressInfo } from "node:net";

/** An instance as a test names it. */
export interface FakeInstance {
    port: number;
    /** Default: none of its own, so that it is its node's. */
    address?: string;
    /** Of its only check. Default: `passing`. */
    status?: string;
    weights?: { Passing: number; Warning: number };
    tags?: string[];
    /** Name of its node. Default: `test`. */
    node?: string;
    /** Default: none. */
    meta?: Record<string, string>;
}

interface Said {
    status?: number;
    body?: string;
    headers?: Record<string, string>;
}

/** The part of Consul that balancers ask, whose every word a test can put into its mouth. */
export class FakeConsul {
    /** Path and query of each question. */
    readonly questions: URL[] = [];
    /** The tokens that came with them. */
    readonly tokens: (string | undefined)[] = [];
    private index = 100;
    private instances: FakeInstance[] = [];
    private said: Said | undefined;
    private waiting: (() => void)[] = [];

    private constructor(
        private server: http.Server,
        readonly port: number,
        private readonly identity: https.ServerOptions | undefined,
    ) {}

    /** With a certificate and its key it speaks TLS. */
    static async start(identity?: { cert: string; key: string }): Promise<FakeConsul> {
        const server = serverOf(identity).listen(0, "127.0.0.1");
        await once(server, "listening");
        const consul = new FakeConsul(server, (server.address() as AddressInfo).port, identity);
        server.on("request", (request, response) => consul.answer(request, response));
        return consul;
    }

    get url(): string {
        return `${this.identity ? "https" : "http"}://127.0.0.1:${this.port}`;
    }

    /** These are there from now on; whoever waits is told. */
    has(...instances: FakeInstance[]): void {
        this.instances = instances;
        this.index += 1;
        this.tell();
    }

    /** It answers that, whatever is there, until told otherwise. */
    says(said: Said | undefined): void {
        this.said = said;
        this.index += 1;
        this.tell();
    }

    /** Its next answers have lower numbers, as after a restore. */
    startOver(): void {
        this.index = 1;
        this.tell();
    }

    /** Nobody listens any more. */
    async stop(): Promise<void> {
        if (this.server.listening) {
            this.server.close();
            this.server.closeAllConnections();
            await once(this.server, "close");
        }
    }

    /** At the same port. */
    async goOn(): Promise<void> {
        this.server = serverOf(this.identity).on("request", (request, response) =>
            this.answer(request, response),
        );
        this.server.listen(this.port, "127.0.0.1");
        await once(this.server, "listening");
    }

    private tell(): void {
        this.waiting.splice(0).forEach((answer) => answer());
    }

    private answer(request: http.IncomingMessage, response: http.ServerResponse): void {
        const url = new URL(request.url ?? "/", this.url);
        this.questions.push(url);
        this.tokens.push(request.headers["x-consul-token"] as string | undefined);
        const send = (): void => {
            const { status = 200, body, headers } = this.said ?? {};
            response.writeHead(status, { "X-Consul-Index": String(this.index), ...headers });
            response.end(body ?? JSON.stringify(this.instances.map(entry)));
        };
        if (Number(url.searchParams.get("index")) === this.index) {
            this.waiting.push(send);
        } else {
            send();
        }
    }
}

function serverOf(identity: https.ServerOptions | undefined): http.Server {
    return identity ? https.createServer(identity) : http.createServer();
}

/** As `/v1/health/service` has it. */
function entry(instance: FakeInstance): object {
    const { port, address = "", status = "passing", weights, tags = [], node = "test", meta = {} } = instance;
    return {
        Node: { Node: node, Address: "127.0.0.1" },
        Service: {
            ID: `web-${port}`,
            Service: "demo-webapp",
            Address: address,
            Port: port,
            Tags: tags,
            Meta: meta,
            Weights: weights ?? { Passing: 1, Warning: 1 },
        },
        Checks: [{ Status: "passing" }, { Status: status }],
    };
}
