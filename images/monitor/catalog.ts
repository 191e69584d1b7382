import * as http from "node:http";
import * as https from "node:https";

import type { Definition, Verdict } from "./checks";

/** A check as Consul's catalogue has it; only what is used here. */
export interface CatalogCheck {
    Node: string;
    CheckID: string;
    Name: string;
    Notes: string;
    Status: string;
    Output: string;
    /** Empty for a check of the node itself. */
    ServiceID: string;
    Namespace?: string;
    Partition?: string;
    Definition: Definition;
    /** Rises with every change of the check. */
    ModifyIndex: number;
}

export interface CatalogOptions {
    /** Where Consul's HTTP API is. */
    address: URL;
    token?: string;
    /** Seconds after which Consul answers the question for changes although there is none. Default 30. */
    waitSeconds?: number;
}

/** Consul answered, with a refusal. */
export class Refused extends Error {
    constructor(
        readonly status: number,
        answer: string,
    ) {
        super(`Consul answered ${status}: ${answer}`);
        this.name = "Refused";
    }
}

/** Milliseconds for an answer that Consul has no reason to hold back. */
const patience = 10_000;

/** What the monitor asks Consul for. Every method throws when Consul is away. */
export class Catalog {
    private readonly transport: typeof http | typeof https;
    /** Limits how many requests run at once, too: Consul writes one after the other anyway. */
    private readonly agent: http.Agent;
    /** The question for changes must not wait behind a thousand writes. */
    private readonly watchAgent: http.Agent;

    constructor(private readonly options: CatalogOptions) {
        this.transport = options.address.protocol === "https:" ? https : http;
        this.agent = new this.transport.Agent({ keepAlive: true, maxSockets: 16 });
        this.watchAgent = new this.transport.Agent({ keepAlive: true });
    }

    /**
     * The checks of all nodes with the metadata `external-node: "true"`. Answers when something has changed after
     * `index`, at the latest after the waiting time. With index 0 it answers at once.
     */
    async externalChecks(
        index: number,
        signal: AbortSignal,
    ): Promise<{ checks: CatalogCheck[]; index: number }> {
        const wait = this.options.waitSeconds ?? 30;
        // Consistent: a server that has just become the leader must not answer with half of what it knows.
        const path = `/v1/health/state/any?consistent&node-meta=external-node:true&index=${index}&wait=${wait}s`;
        const { body, headers } = await this.ask("GET", path, {
            signal,
            agent: this.watchAgent,
            // Consul adds up to a sixteenth, so that not all clients come back at once.
            timeout: wait * 1000 * (17 / 16) + patience,
        });
        return { checks: body as CatalogCheck[], index: Number(headers["x-consul-index"]) || 0 };
    }

    /** One check as it is now; `undefined` when it is gone. */
    async check({ Node, CheckID }: CatalogCheck, signal: AbortSignal): Promise<CatalogCheck | undefined> {
        const path = `/v1/health/node/${encodeURIComponent(Node)}?consistent`;
        const { body } = await this.ask("GET", path, { signal });
        return (body as CatalogCheck[]).find((each) => each.CheckID === CheckID);
    }

    /**
     * Writes a verdict into a check, if the check still is what the caller knows: nothing that others have changed
     * meanwhile is overwritten, and nothing that they have removed comes back. Returns the check as it is then, or
     * `undefined` if it is not what the caller knows.
     */
    async write(
        known: CatalogCheck,
        verdict: Verdict,
        signal: AbortSignal,
    ): Promise<CatalogCheck | undefined> {
        // Only what a transaction takes: it refuses other members by name.
        const { Node, CheckID, Name, Notes, ServiceID, Namespace, Partition, Definition, ModifyIndex } =
            known;
        const identity = { Node, CheckID, Name, Notes, ServiceID, Namespace, Partition };
        const check = {
            ...identity,
            Definition,
            ModifyIndex,
            Status: verdict.status,
            Output: verdict.output,
        };
        try {
            const { body } = await this.ask("PUT", "/v1/txn", {
                signal,
                body: [{ Check: { Verb: "cas", Check: check } }],
            });
            return (body as { Results: { Check: CatalogCheck }[] }).Results[0]?.Check;
        } catch (error) {
            // What a node or service that is gone is answered with, and an index that is not the latest.
            if (error instanceof Refused && error.status === 409) {
                return undefined;
            }
            throw error;
        }
    }

    /** Ends all connections. */
    close(): void {
        this.agent.destroy();
        this.watchAgent.destroy();
    }

    private ask(
        method: string,
        path: string,
        options: { signal: AbortSignal; body?: unknown; agent?: http.Agent; timeout?: number },
    ): Promise<{ body: unknown; headers: http.IncomingHttpHeaders }> {
        const { address, token } = this.options;
        return new Promise((resolve, reject) => {
            const request = this.transport.request(new URL(path, address), {
                method,
                agent: options.agent ?? this.agent,
                signal: options.signal,
                timeout: options.timeout ?? patience,
                headers: token === undefined ? {} : { "X-Consul-Token": token },
            });
            request.on("timeout", () => request.destroy(new Error("no answer in time")));
            request.on("error", reject);
            request.on("response", (response) => {
                const chunks: Buffer[] = [];
                response.on("data", (chunk: Buffer) => chunks.push(chunk));
                response.on("error", reject);
                response.on("end", () => {
                    const text = Buffer.concat(chunks).toString("utf8");
                    const status = response.statusCode ?? 0;
                    if (status !== 200) {
                        reject(new Refused(status, text.trim()));
                        return;
                    }
                    try {
                        resolve({ body: JSON.parse(text), headers: response.headers });
                    } catch {
                        reject(new Error(`not an answer of Consul's: ${text.slice(0, 100)}`));
                    }
                });
            });
            request.end(options.body === undefined ? undefined : JSON.stringify(options.body));
        });
    }
}
