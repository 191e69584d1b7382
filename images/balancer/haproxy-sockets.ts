import { createConnection } from "node:net";

/** Sends one command to a socket of HAProxy and returns the answer. Rejects when HAProxy does not answer in time. */
export function ask(socket: string, command: string, timeoutMs = 5000): Promise<string> {
    return new Promise((resolve, reject) => {
        const connection = createConnection(socket);
        let answer = "";
        connection.setEncoding("utf8");
        connection.setTimeout(timeoutMs, () =>
            connection.destroy(new Error(`HAProxy did not answer "${command.split(/\s/, 2).join(" ")}"`)),
        );
        connection.on("data", (chunk: string) => (answer += chunk));
        connection.on("error", reject);
        connection.on("close", (failed) => {
            if (!failed) {
                resolve(answer);
            }
        });
        // HAProxy closes when it has answered, once it knows that nothing more comes.
        connection.end(`${command}\n`);
    });
}

/** How the master stands: what `show proc` tells. */
export interface Processes {
    /** Reloads that the master could not do. */
    failed: number;
    /** Process id of the worker that takes new connections; 0 while there is none. */
    worker: number;
}

/** Reads the answer to `show proc`. */
export function parseProcesses(text: string): Processes {
    let failed = 0;
    let worker = 0;
    for (const line of text.split("\n")) {
        if (line.startsWith("# old workers")) {
            break;
        }
        const [pid, type] = line.split(/\s+/);
        if (type === "master") {
            failed = Number(/\[failed: (\d+)/.exec(line)?.[1] ?? 0);
        } else if (type === "worker") {
            worker = Number(pid);
        }
    }
    return { failed, worker };
}

/** How a server stands. */
export interface ServerState {
    name: string;
    /** Whether it takes requests. */
    up: boolean;
    /** Whether it does so without a check having failed since it came up. */
    steady: boolean;
    /** IPv4 address and port; no address before the first answer of the name server. */
    address: string;
    /** HAProxy's own words: `UP`, `DOWN 1/2`, … and the last check's outcome. */
    words: string;
}

/** The servers of a backend, from `show stat` (CSV) as an administrator gets it. */
export function parseServers(csv: string, backend: string): ServerState[] {
    const [header = "", ...rows] = csv.split("\n");
    const columns = header.replace(/^# /, "").split(",");
    const cell = (cells: string[], column: string): string => cells[columns.indexOf(column)] ?? "";
    return rows
        .map((row) => row.split(","))
        .filter(
            (cells) =>
                cell(cells, "pxname") === backend && !["FRONTEND", "BACKEND"].includes(cell(cells, "svname")),
        )
        .map((cells) => ({
            name: cell(cells, "svname"),
            up: /^(UP|no check)/.test(cell(cells, "status")),
            steady: /^(UP|no check)$/.test(cell(cells, "status")),
            address: cell(cells, "addr"),
            words: `${cell(cells, "status")} ${cell(cells, "check_status")}`.trim(),
        }));
}

/**
 * The servers' state for the next worker, from `show servers state`: only of those servers of `backend` that are still
 * what they were. The state of another machine under the same name would be wrong.
 */
export function selectServerState(state: string, backend: string, servers: readonly string[]): string {
    const [version = "1", header = "", ...rows] = state.split("\n");
    const kept = rows.filter((row) => {
        const [, proxy, , server] = row.split(" ");
        return proxy === backend && servers.includes(server ?? "");
    });
    return [version, header, ...kept].join("\n") + "\n";
}
