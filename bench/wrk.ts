/** What to ask of wrk. */
export interface WrkOptions {
    /** With its port: the image knows no services by name. */
    url: string;
    seconds: number;
    /** Connections that are open at the same time. */
    connections: number;
    /** False opens a connection for each request. Default true. */
    keepAlive?: boolean;
    /** Milliseconds that each connection waits before each request. Default 0: as fast as answers come. */
    delayMs?: number;
}

/** What wrk has counted. */
export interface WrkReport {
    requests: number;
    seconds: number;
    requestsPerSecond: number;
    p50Milliseconds: number;
    p99Milliseconds: number;
    maxMilliseconds: number;
    /** Requests without a good answer, by what wrk calls it: connect, read, write, status (4xx and 5xx), timeout. */
    failures: Record<string, number>;
    failed: number;
}

/** wrk's arguments; the report comes from bench/image/report.lua. Pure. */
export function wrkArguments({
    url,
    seconds,
    connections,
    keepAlive = true,
    delayMs = 0,
}: WrkOptions): string[] {
    return [
        "--threads=1",
        `--connections=${connections}`,
        `--duration=${seconds}s`,
        "--timeout=5s",
        "--script=/usr/local/share/wrk/report.lua",
        ...(keepAlive ? [] : ["--header=Connection: close"]),
        url,
        "--",
        String(delayMs),
    ];
}

/** Reads the report of a run. Pure. */
export function parseWrk(text: string): WrkReport {
    const line = text.split("\n").find((each) => each.startsWith("{"));
    if (line === undefined) {
        throw new Error(`this is no report of wrk's:\n${text}`);
    }
    const counted = JSON.parse(line) as Record<string, number>;
    const of = (name: string) => counted[name] ?? NaN;
    const failures = Object.fromEntries(
        ["connect", "read", "write", "status", "timeout"]
            .map((name) => [name, of(name)] as const)
            .filter(([, count]) => count !== 0),
    );
    return {
        requests: of("requests"),
        seconds: of("seconds"),
        requestsPerSecond: of("requests") / of("seconds"),
        p50Milliseconds: of("p50Us") / 1000,
        p99Milliseconds: of("p99Us") / 1000,
        maxMilliseconds: of("maxUs") / 1000,
        failures,
        failed: Object.values(failures).reduce((sum, count) => sum + count, 0),
    };
}

/** The same, where a failed request makes the run worthless. */
export function parseFlawless(text: string): WrkReport {
    const report = parseWrk(text);
    if (report.failed > 0 || report.requests === 0) {
        throw new Error(`requests failed under load:\n${text}`);
    }
    return report;
}
