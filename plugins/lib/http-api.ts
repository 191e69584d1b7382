import * as http from "node:http";
import * as https from "node:https";

import { adviseConnection, adviseScheme } from "./connection-advice";

import type { Tls } from "./tls-settings";

export interface HttpApiOptions {
    /** How messages call the other side, e.g. `Nomad`. */
    name: string;
    /** `http://host:port` or `https://host:port`, optionally with a path. */
    address: string;
    headers?: Record<string, string>;
    /** For https: as for `https.request`. */
    tls?: Tls;
    /** What to do about an answer that is an error; added to the message. */
    advise?(status: number, answer: string): string | undefined;
}

export interface RequestOptions {
    query?: Record<string, string | number | boolean | undefined>;
    /** Added to the API's own. */
    headers?: Record<string, string>;
    /** Sent as JSON. */
    body?: unknown;
    signal?: AbortSignal;
    /** Milliseconds without any byte from the other side; default 30 s. */
    timeout?: number;
}

/** The other side answered with an error. */
export class HttpError extends Error {
    constructor(
        message: string,
        readonly status: number,
        /** What the other side said, trimmed, and what to do about it where that is known. */
        readonly answer: string,
        readonly headers: http.IncomingHttpHeaders = {},
    ) {
        super(message);
        this.name = "HttpError";
    }
}

/** The other side could not be reached, or the connection broke. */
export class Unreachable extends Error {
    constructor(message: string) {
        super(message);
        this.name = "Unreachable";
    }
}

export interface Answer<T> {
    body: T;
    headers: http.IncomingHttpHeaders;
}

/** A JSON API such as those of Nomad and Consul. */
export class HttpApi {
    private readonly base: URL;
    private readonly agent: http.Agent;

    constructor(private readonly options: HttpApiOptions) {
        this.base = new URL(options.address);
        this.agent =
            this.base.protocol === "https:"
                ? new https.Agent({ keepAlive: true, ...options.tls })
                : new http.Agent({ keepAlive: true });
    }

    get address(): string {
        return this.base.origin;
    }

    async get<T>(path: string, options?: RequestOptions): Promise<T> {
        return (await this.request<T>("GET", path, options)).body;
    }

    async put<T>(path: string, body: unknown, options?: RequestOptions): Promise<T> {
        return (await this.request<T>("PUT", path, { ...options, body })).body;
    }

    async post<T>(path: string, body: unknown, options?: RequestOptions): Promise<T> {
        return (await this.request<T>("POST", path, { ...options, body })).body;
    }

    async delete<T>(path: string, options?: RequestOptions): Promise<T> {
        return (await this.request<T>("DELETE", path, options)).body;
    }

    async request<T>(method: string, path: string, options: RequestOptions = {}): Promise<Answer<T>> {
        const url = new URL(this.base.pathname.replace(/\/$/, "") + path, this.base);
        for (const [name, value] of Object.entries(options.query ?? {})) {
            if (value !== undefined) {
                url.searchParams.set(name, String(value));
            }
        }
        const { status, headers, text } = await this.exchange(method, url, options);
        if (status < 200 || status > 299) {
            const said = text.trim();
            const advice = this.options.advise?.(status, said) ?? adviseScheme(said);
            const answer = advice ? `${said.replace(/\.$/, "")}. ${advice}` : said;
            throw new HttpError(
                `${this.options.name} answered ${method} ${url.pathname} with ${status}: ${answer}`,
                status,
                answer,
                headers,
            );
        }
        return { body: parse(text) as T, headers };
    }

    private exchange(
        method: string,
        url: URL,
        options: RequestOptions,
    ): Promise<{ status: number; headers: http.IncomingHttpHeaders; text: string }> {
        const body = options.body === undefined ? undefined : JSON.stringify(options.body);
        const timeout = options.timeout ?? 30_000;
        return new Promise((resolve, reject) => {
            const fail = (error: NodeJS.ErrnoException): void => {
                reject(options.signal?.aborted ? options.signal.reason : this.unreachable(error));
            };
            const request = (url.protocol === "https:" ? https : http).request(url, {
                method,
                agent: this.agent,
                signal: options.signal,
                timeout,
                headers: {
                    ...this.options.headers,
                    ...options.headers,
                    ...(body === undefined
                        ? {}
                        : { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) }),
                },
            });
            request.on("timeout", () => request.destroy(new Error(`no answer within ${timeout / 1000} s`)));
            request.on("error", fail);
            request.on("response", (response) => {
                const chunks: Buffer[] = [];
                response.on("data", (chunk: Buffer) => chunks.push(chunk));
                response.on("error", fail);
                response.on("end", () =>
                    resolve({
                        status: response.statusCode ?? 0,
                        headers: response.headers,
                        text: Buffer.concat(chunks).toString("utf8"),
                    }),
                );
            });
            request.end(body);
        });
    }

    private unreachable(error: NodeJS.ErrnoException): Unreachable {
        const name = this.options.name;
        // Node joins the failures of several addresses of one name into an error without a message.
        const cause = error instanceof AggregateError ? (error.errors[0] as Error).message : error.message;
        return new Unreachable(
            `${name} cannot be reached at ${this.address}: ${cause.trim()}. ${adviseConnection(error, this.base.protocol)}`,
        );
    }
}

/** The header for HTTP basic authentication; `user` alone has an empty password. */
export function basicAuthorization(auth: string): string {
    return `Basic ${Buffer.from(auth.includes(":") ? auth : `${auth}:`).toString("base64")}`;
}

function parse(text: string): unknown {
    if (text === "") {
        return undefined;
    }
    try {
        return JSON.parse(text);
    } catch {
        return text;
    }
}

/** Whether the same request may succeed in a moment: the server restarts, or its cluster elects a leader. */
export function isTransient(error: unknown): boolean {
    if (error instanceof Unreachable) {
        return true;
    }
    return (
        error instanceof HttpError &&
        (error.status === 429 ||
            error.status === 502 ||
            error.status === 503 ||
            error.status === 504 ||
            (error.status === 500 &&
                /no cluster leader|no path to|rpc error: (EOF|failed to get conn)|shutdown|not ready/i.test(
                    error.answer,
                )))
    );
}

/** A cluster that elects its leader answers "no cluster leader" for some seconds. */
const leaderLimit = 30_000;

/** Repeats a request while the cluster has no leader. A cluster that does not answer at all is an error at once. */
export async function withLeader<T>(
    context: { signal: AbortSignal; log: { status(message: string): void } },
    request: () => Promise<T>,
): Promise<T> {
    const end = Date.now() + leaderLimit;
    for (;;) {
        try {
            return await request();
        } catch (error) {
            if (error instanceof Unreachable || !isTransient(error) || Date.now() > end) {
                throw error;
            }
            context.log.status("the cluster has no leader yet");
            await sleep(500, context.signal);
        }
    }
}

/** Resolves after the time, or rejects with the signal's reason. */
export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
        if (signal?.aborted) {
            reject(signal.reason as Error);
            return;
        }
        const abort = (): void => {
            clearTimeout(timer);
            reject(signal?.reason as Error);
        };
        const timer = setTimeout(() => {
            signal?.removeEventListener("abort", abort);
            resolve();
        }, milliseconds);
        signal?.addEventListener("abort", abort, { once: true });
    });
}
