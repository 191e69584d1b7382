import type { Connection } from "../components/machines/machine";
import { snapshotCommand } from "../components/clusters/snapshots";
import { type Client, dial } from "../plugins/command/connection";

/** What became of the last run for a source on a server. */
export interface SourceStatus {
    outcome: "kept" | "left to the others" | "failed";
    /** RFC 3339, by the server's clock. */
    at: string;
    /** When a run last kept one. */
    lastKept?: string;
    /** Runs that have failed since one succeeded. */
    failures: number;
    error?: string | null;
}

/** What a server says about its snapshots. */
export interface ServerReport {
    node: string;
    /** Its clock, RFC 3339. */
    now: string;
    sources: Record<string, SourceStatus>;
    files: { name: string; size: number; sha256: string }[];
}

const silent = { status: () => undefined } as unknown as Parameters<typeof dial>[2];

/** A machine that runs a command with this input. Rejects with what the command says when it fails. */
export interface Remote {
    readonly name: string;
    feed(command: string, input: Buffer | string): Promise<Buffer>;
}

/** A server over SSH, with its pinned host key. */
export class Server implements Remote {
    private constructor(
        readonly name: string,
        private readonly client: Client,
    ) {}

    /** Gives up after some seconds. */
    static async connect(name: string, connection: Connection): Promise<Server> {
        const client = await dial(
            { ...connection, dialErrorLimit: 2, perDialTimeout: 8 },
            AbortSignal.timeout(30_000),
            silent,
        );
        // Whoever waits for an answer hears of it.
        client.on("error", () => undefined);
        return new Server(name, client);
    }

    close(): void {
        this.client.end();
    }

    async report(): Promise<ServerReport> {
        return JSON.parse((await this.ask("report")).toString("utf8")) as ServerReport;
    }

    /** One snapshot of each source, now. Rejects with the program's words when one failed. */
    async take(): Promise<void> {
        await this.ask("take");
    }

    /** The bytes of a snapshot; its name has been parsed. */
    fetch(name: string): Promise<Buffer> {
        return this.run(`cat ${snapshotCommand.folder}/${name}`);
    }

    private ask(what: "take" | "report"): Promise<Buffer> {
        return this.run(`${snapshotCommand.program} ${what} ${snapshotCommand.settings}`);
    }

    feed(command: string, input: Buffer | string): Promise<Buffer> {
        return this.run(command, input);
    }

    private run(command: string, input: Buffer | string = ""): Promise<Buffer> {
        return new Promise((resolve, reject) => {
            const forget = (): void => {
                this.client.off("error", broken).off("close", closed);
            };
            const broken = (error: Error): void => {
                forget();
                reject(new Error(`${this.name}: ${error.message}`));
            };
            const closed = (): void => broken(new Error("the connection was closed"));
            this.client.on("error", broken).on("close", closed);
            this.client.exec(command, (error, channel) => {
                if (error) {
                    return broken(error);
                }
                const chunks: Buffer[] = [];
                let said = "";
                let code: number | null = null;
                channel.on("data", (chunk: Buffer) => chunks.push(chunk));
                channel.stderr.on("data", (chunk: Buffer) => (said += chunk.toString("utf8")));
                channel.on("exit", (status: number | null) => (code = status));
                channel.on("close", () => {
                    forget();
                    if (code === 0) {
                        resolve(Buffer.concat(chunks));
                    } else {
                        broken(new Error(said.trim().slice(-1000) || `it ended with ${code}`));
                    }
                });
                channel.end(input);
            });
        });
    }
}
