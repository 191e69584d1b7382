/** What to ask of hey. It opens a connection for each request and offers no TLS session, unlike wrk. */
export interface HeyOptions {
    url: string;
    seconds: number;
    /** Connections that are open at the same time. */
    connections: number;
}

/** What hey has counted. */
export interface HeyReport {
    requests: number;
    requestsPerSecond: number;
    p99Milliseconds: number;
    /** Requests without a good answer: 4xx, 5xx, or none at all. */
    failed: number;
}

/** hey's arguments. Pure. */
export function heyArguments({ url, seconds, connections }: HeyOptions): string[] {
    return ["-cpus", "1", "-disable-keepalive", "-t", "5", "-z", `${seconds}s`, "-c", `${connections}`, url];
}

/** Reads the summary of a run. Pure. */
export function parseHey(text: string): HeyReport {
    const total = Number(/^\s*Total:\s*([\d.]+) secs/m.exec(text)?.[1]);
    const p99 = Number(/^\s*99% in ([\d.]+) secs/m.exec(text)?.[1]);
    const [answers = "", errors = ""] = text.split(/^Error distribution:/m);
    const statuses = [...answers.matchAll(/^\s*\[(\d{3})\]\s+(\d+) responses/gm)];
    const count = (of: RegExpExecArray[]) => of.reduce((sum, match) => sum + Number(match[2]), 0);
    const answered = count(statuses);
    const unanswered = [...errors.matchAll(/^\s*\[(\d+)\]/gm)].reduce(
        (sum, match) => sum + Number(match[1]),
        0,
    );
    if (Number.isNaN(total) || (answered > 0 && Number.isNaN(p99)) || answered + unanswered === 0) {
        throw new Error(`this is no report of hey's:\n${text}`);
    }
    return {
        requests: answered + unanswered,
        requestsPerSecond: (answered + unanswered) / total,
        p99Milliseconds: p99 * 1000,
        failed: unanswered + count(statuses.filter(([, status]) => Number(status) >= 400)),
    };
}
