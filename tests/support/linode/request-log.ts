/** One request that reached the server. */
export interface LoggedRequest {
    method: string;
    /** The route, such as `/linode/instances/:id`, without the version. */
    route: string;
    /** The path itself, without version and query. */
    path: string;
    /** Absent while it is not answered, and for good when its connection was cut. */
    status?: number;
}

/** Every request, in order: the number of calls is one of the figures of `make bench`. */
export class RequestLog {
    readonly entries: LoggedRequest[] = [];

    add(entry: LoggedRequest): LoggedRequest {
        this.entries.push(entry);
        return entry;
    }

    /** Calls by method and route, e.g. `{ "GET /linode/instances/:id": 3 }`. */
    counts(): Record<string, number> {
        const counts: Record<string, number> = {};
        for (const { method, route } of this.entries) {
            const key = `${method} ${route}`;
            counts[key] = (counts[key] ?? 0) + 1;
        }
        return counts;
    }

    get total(): number {
        return this.entries.length;
    }

    clear(): void {
        this.entries.length = 0;
    }
}
