import * as http from "node:http";
import * as https from "node:https";
import { connect } from "node:net";

import { milliseconds } from "./durations";

/** How a check is to be made, in Consul's words. What is not set is left out. */
export interface Definition {
    HTTP?: string;
    TCP?: string;
    Method?: string;
    Header?: Record<string, string[]>;
    Body?: string;
    TLSServerName?: string;
    TLSSkipVerify?: boolean;
    /** Durations as Go writes them. */
    Interval?: string;
    Timeout?: string;
    [other: string]: unknown;
}

export interface Verdict {
    status: "passing" | "warning" | "critical";
    /** What was seen, for people. */
    output: string;
}

/** Milliseconds; Consul's agents and consul-esm take the same. */
const defaults = { interval: 30_000, timeout: 10_000 };
/** Characters of an answer that are kept. It travels with the check to everybody who asks for it. */
const longestOutput = 1024;
const mostRedirects = 10;
const redirects = new Set([301, 302, 303, 307, 308]);

/** Milliseconds between two runs. */
export function intervalOf(definition: Definition): number {
    return milliseconds(definition.Interval, defaults.interval);
}

/** Whether the monitor can make such a check. */
export function canRun({ HTTP, TCP }: Definition): boolean {
    return Boolean(HTTP) || Boolean(TCP);
}

/**
 * Makes a check once, as Consul's agents do: over HTTP 2xx is passing, 429 is warning, everything else is critical;
 * over TCP a connection is passing. Never throws. After the signal it returns soon, and what it returns means nothing.
 */
export async function runCheck(definition: Definition, signal: AbortSignal): Promise<Verdict> {
    const timeout = milliseconds(definition.Timeout, defaults.timeout);
    const limit = new AbortController();
    const abort = (): void => limit.abort();
    const timer = setTimeout(abort, timeout);
    signal.addEventListener("abort", abort);
    try {
        return definition.HTTP
            ? await overHttp(definition, definition.HTTP, limit.signal)
            : await overTcp(definition.TCP ?? "", limit.signal);
    } catch (error) {
        const reason = limit.signal.aborted ? `no answer within ${timeout} ms` : explain(error as Error);
        return critical(`${describe(definition)}: ${reason}`);
    } finally {
        clearTimeout(timer);
        signal.removeEventListener("abort", abort);
    }
}

async function overHttp(definition: Definition, address: string, signal: AbortSignal): Promise<Verdict> {
    let url = new URL(address);
    let method = definition.Method || "GET";
    for (let followed = 0; ; followed++) {
        const answer = await exchange(url, method, definition, signal);
        if (redirects.has(answer.status) && answer.location !== undefined && followed < mostRedirects) {
            url = new URL(answer.location, url);
            method = answer.status >= 307 || method === "HEAD" ? method : "GET";
            continue;
        }
        const seen = `${answer.status} ${answer.reason} Output: ${answer.body}`;
        return { status: verdictOn(answer.status), output: `${describe(definition)}: ${seen}` };
    }
}

function verdictOn(status: number): Verdict["status"] {
    return status >= 200 && status < 300 ? "passing" : status === 429 ? "warning" : "critical";
}

interface Answer {
    status: number;
    reason: string;
    location: string | undefined;
    body: string;
}

function exchange(url: URL, method: string, definition: Definition, signal: AbortSignal): Promise<Answer> {
    return new Promise((resolve, reject) => {
        if (url.protocol !== "http:" && url.protocol !== "https:") {
            throw new Error(`${url.protocol}// is neither http:// nor https://`);
        }
        const request = (url.protocol === "https:" ? https : http).request(url, {
            method,
            // A connection for each run: a kept one says nothing about whether new ones are accepted.
            agent: false,
            signal,
            headers: headersOf(definition),
            rejectUnauthorized: definition.TLSSkipVerify !== true,
            ...(definition.TLSServerName ? { servername: definition.TLSServerName } : {}),
        });
        request.on("error", reject);
        request.on("response", (response) => {
            let body = "";
            const { statusCode: status = 0, statusMessage: reason = "", headers } = response;
            // The status decides; an answer that breaks off or has no end is cut where it is.
            const finish = (): void => {
                resolve({ status, reason, location: headers.location, body: body.slice(0, longestOutput) });
                response.destroy();
            };
            response.setEncoding("utf8");
            response.on("data", (chunk: string) => {
                body += chunk;
                if (body.length >= longestOutput) {
                    finish();
                }
            });
            response.on("end", finish).on("error", finish);
        });
        request.end(definition.Body);
    });
}

function headersOf({ Header = {} }: Definition): http.OutgoingHttpHeaders {
    const headers: http.OutgoingHttpHeaders = {
        "User-Agent": "Consul Health Check",
        Accept: "text/plain, text/*, */*",
    };
    for (const [name, values] of Object.entries(Header)) {
        const standard = Object.keys(headers).find((each) => each.toLowerCase() === name.toLowerCase());
        // As text and not as a list: there is only one Host.
        headers[standard ?? name] = values.length === 1 ? values[0] : values;
    }
    return headers;
}

function overTcp(target: string, signal: AbortSignal): Promise<Verdict> {
    const [, host, port] = /^\[?(.+?)\]?:(\d+)$/.exec(target) ?? [];
    if (host === undefined) {
        return Promise.resolve(critical(`TCP connect ${target}: not an address such as 10.0.0.1:80`));
    }
    return new Promise((resolve, reject) => {
        const socket = connect({ host, port: Number(port) });
        const abort = (): void => void socket.destroy(new Error("aborted"));
        signal.addEventListener("abort", abort);
        socket.once("close", () => signal.removeEventListener("abort", abort));
        socket.on("error", reject);
        socket.once("connect", () => {
            resolve({ status: "passing", output: `TCP connect ${target}: Success` });
            socket.destroy();
        });
    });
}

function describe({ HTTP, Method, TCP }: Definition): string {
    return HTTP ? `HTTP ${Method || "GET"} ${HTTP}` : `TCP connect ${TCP}`;
}

function critical(output: string): Verdict {
    return { status: "critical", output };
}

/** Node joins the failures of several addresses of one name into an error without a message. */
function explain(error: Error): string {
    const first = error instanceof AggregateError ? (error.errors[0] as Error) : error;
    return first.message;
}
