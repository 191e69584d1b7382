import * as http from "node:http";
import * as https from "node:https";
import { performance } from "node:perf_hooks";

export interface LoadOptions {
    /** Where to; only this machine: `http://127.0.0.1:<port>/…`, or `https://…`. */
    url: string;
    /** For HTTPS: the name to ask for, and what to trust. Without `ca` any certificate will do. */
    tls?: { servername: string; ca?: string };
    /** Requests per second in all, evenly spaced. Default 100. */
    rate?: number;
    /** Connections that are kept open. A request that finds none free waits, and the wait counts as latency. Default 8. */
    connections?: number;
    /** False opens a connection for each request. Default true. */
    keepAlive?: boolean;
    /** Milliseconds after which a request has failed. Default 5000. */
    timeoutMs?: number;
    /** Sent with every request. */
    headers?: http.OutgoingHttpHeaders;
    /** Is told of every request when it has ended: its begin and end by `performance.now()`, and why it failed, if it did. */
    observe?: (request: { begun: number; ended: number; why?: string }) => void;
}

export interface LoadFailure {
    /** Milliseconds since the load began. */
    atMs: number;
    /** An error code such as ECONNREFUSED, or `status 503`. */
    reason: string;
}

export interface LoadReport {
    seconds: number;
    /** Requests that have ended, well or not. */
    requests: number;
    failed: number;
    /** The first hundred of them. */
    failures: LoadFailure[];
    /**
     * Requests sent again, once, because a kept-alive connection was closed at the moment they were sent. Browsers and
     * HTTP libraries do this by themselves (RFC 9110, 9.2.2), so it is no failure, but it is told.
     */
    resent: number;
    /** Answers by status code. */
    statuses: Record<string, number>;
    /** Answers by the instance that gave them, from the header `X-Instance`. */
    instances: Record<string, number>;
    latencyMs: { p50: number; p99: number; max: number };
}

export interface Load {
    /** What has happened so far. */
    report(): LoadReport;
    /** Sends nothing more, waits for what is under way, and reports. */
    stop(): Promise<LoadReport>;
}

interface Answer {
    status: number;
    instance: string | undefined;
}

const mostFailuresKept = 100;

/** A constant stream of GET requests that accounts for every one of them; it runs until it is stopped. */
export function startLoad(options: LoadOptions): Load {
    const url = loopback(options.url);
    const rate = options.rate ?? 100;
    const timeoutMs = options.timeoutMs ?? 5000;
    const pool: http.AgentOptions = {
        keepAlive: options.keepAlive ?? true,
        maxSockets: options.connections ?? 8,
        scheduling: "fifo",
    };
    const secure = url.protocol === "https:";
    const agent = secure
        ? new https.Agent({
              ...pool,
              // A handshake for each connection, also with a certificate that has just changed.
              maxCachedSessions: 0,
              servername: options.tls?.servername,
              ca: options.tls?.ca,
              rejectUnauthorized: options.tls?.ca !== undefined,
          })
        : new http.Agent(pool);
    const headers = { ...(options.tls && { host: options.tls.servername }), ...options.headers };
    const begin = performance.now();
    const latencies: number[] = [];
    const report: Omit<LoadReport, "latencyMs" | "seconds"> = {
        requests: 0,
        failed: 0,
        failures: [],
        resent: 0,
        statuses: {},
        instances: {},
    };
    const running = new Set<Promise<void>>();
    let sent = 0;

    const get = (mayResend: boolean): Promise<Answer> =>
        new Promise((resolve, reject) => {
            const request = (secure ? https : http).get(
                url,
                { agent, headers, timeout: timeoutMs },
                (response) => {
                    response.on("error", reject);
                    response.on("end", () => {
                        const instance = response.headers["x-instance"];
                        resolve({ status: response.statusCode ?? 0, instance: [instance].flat()[0] });
                    });
                    response.resume();
                },
            );
            request.on("timeout", () =>
                request.destroy(Object.assign(new Error("timeout"), { code: "TIMEOUT" })),
            );
            request.on("error", (error: NodeJS.ErrnoException) => {
                const closedUnderIt = error.code === "ECONNRESET" || error.code === "EPIPE";
                if (mayResend && request.reusedSocket && closedUnderIt) {
                    report.resent += 1;
                    get(false).then(resolve, reject);
                } else {
                    reject(error);
                }
            });
        });

    const one = async (): Promise<void> => {
        const start = performance.now();
        let reason: string | undefined;
        try {
            const { status, instance } = await get(true);
            count(report.statuses, String(status));
            if (instance !== undefined) {
                count(report.instances, instance);
            }
            reason = status >= 200 && status < 400 ? undefined : `status ${status}`;
        } catch (error) {
            reason = (error as NodeJS.ErrnoException).code ?? String(error);
        }
        const now = performance.now();
        report.requests += 1;
        latencies.push(now - start);
        options.observe?.({ begun: start, ended: now, ...(reason !== undefined && { why: reason }) });
        if (reason !== undefined) {
            report.failed += 1;
            if (report.failures.length < mostFailuresKept) {
                report.failures.push({ atMs: Math.round(now - begin), reason });
            }
        }
    };

    // Catching up after a late timer keeps the rate; more than a second's worth at once would be a burst, not a rate.
    const timer = setInterval(() => {
        const due = Math.floor(((performance.now() - begin) / 1000) * rate);
        sent = Math.max(sent, due - rate);
        for (; sent < due; sent++) {
            const request = one().finally(() => running.delete(request));
            running.add(request);
        }
    }, 5);

    const summarise = (): LoadReport => {
        const sorted = [...latencies].sort((a, b) => a - b);
        const at = (share: number): number =>
            sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
        return structuredClone({
            seconds: (performance.now() - begin) / 1000,
            ...report,
            latencyMs: { p50: at(0.5), p99: at(0.99), max: at(1) },
        });
    };

    return {
        report: summarise,
        stop: async () => {
            clearInterval(timer);
            await Promise.all(running);
            agent.destroy();
            return summarise();
        },
    };
}

/** The load while `action` runs, and for a moment before and after it. */
export async function withLoad<T>(
    options: LoadOptions & { settleMs?: number },
    action: (load: Load) => Promise<T>,
): Promise<{ result: T; report: LoadReport }> {
    const settle = (): Promise<void> =>
        new Promise((resolve) => setTimeout(resolve, options.settleMs ?? 500));
    const load = startLoad(options);
    try {
        await settle();
        const result = await action(load);
        await settle();
        return { result, report: await load.stop() };
    } finally {
        await load.stop();
    }
}

function count(counts: Record<string, number>, key: string): void {
    counts[key] = (counts[key] ?? 0) + 1;
}

function loopback(text: string): URL {
    const url = new URL(text);
    if (!/^https?:$/.test(url.protocol) || url.hostname !== "127.0.0.1") {
        throw new Error(`the load generator only sends to http://127.0.0.1, not to ${text}`);
    }
    return url;
}
