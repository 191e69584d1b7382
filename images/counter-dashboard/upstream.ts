import * as http from "node:http";

/** What the dashboard knows of the counting service; its pages get exactly this. */
export interface CounterState {
    reachable: boolean;
    /** The last count seen; stays when the service becomes unreachable. */
    count: number | null;
    /** The instance that counted last. */
    hostname: string | null;
    /** Why the service is not reachable, in words; null when it is. */
    error: string | null;
    upstream: string;
    checkedAt: string;
}

const longestAnswer = 64 * 1024;

/** Asks the counting service for its next number; never throws. */
export class Upstream {
    private last: Pick<CounterState, "count" | "hostname"> = { count: null, hostname: null };

    constructor(
        private readonly url: URL,
        private readonly timeoutMs = 2000,
    ) {}

    async poll(): Promise<CounterState> {
        let error: string | null = null;
        try {
            this.last = parseCount(await this.get());
        } catch (caught) {
            error = explain(caught as NodeJS.ErrnoException);
        }
        return {
            reachable: error === null,
            ...this.last,
            error,
            upstream: this.url.href,
            checkedAt: new Date().toISOString(),
        };
    }

    private get(): Promise<string> {
        return new Promise((resolve, reject) => {
            // A connection for each request: the mesh decides when one opens, and an open one outlives a denial.
            const request = http.get(
                this.url,
                { agent: false, signal: AbortSignal.timeout(this.timeoutMs) },
                (response) => {
                    let body = "";
                    response.setEncoding("utf8");
                    response.on("data", (chunk: string) => {
                        body += chunk;
                        if (body.length > longestAnswer) {
                            request.destroy(new Error("the answer is too long for a count"));
                        }
                    });
                    response.on("error", reject);
                    response.on("end", () => {
                        if (response.statusCode === 200) {
                            resolve(body);
                        } else {
                            reject(new Error(`the counting service answered ${response.statusCode}`));
                        }
                    });
                },
            );
            request.on("error", reject);
        });
    }
}

function parseCount(body: string): Pick<CounterState, "count" | "hostname"> {
    let value: unknown;
    try {
        value = JSON.parse(body);
    } catch {
        value = undefined;
    }
    const { count, hostname } = (value ?? {}) as Record<string, unknown>;
    if (typeof count !== "number") {
        throw new Error("the counting service did not answer with a count");
    }
    return { count, hostname: typeof hostname === "string" ? hostname : null };
}

/** Envoy has only one way to say no to a TCP client: it closes the connection. */
function explain(error: NodeJS.ErrnoException): string {
    switch (error.name === "TimeoutError" || error.name === "AbortError" ? "ETIMEDOUT" : error.code) {
        case "ECONNRESET":
        case "EPIPE":
            return "the connection was closed without an answer: an intention denies it, or no instance is healthy";
        case "ECONNREFUSED":
            return "the connection was refused: no sidecar proxy listens for this upstream";
        case "ETIMEDOUT":
            return "no answer in time";
        case "ENOTFOUND":
        case "EAI_AGAIN":
            return "its name cannot be resolved";
        default:
            return error.message;
    }
}
