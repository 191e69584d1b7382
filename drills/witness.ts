import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { readFileSync } from "node:fs";
import * as path from "node:path";
import { performance } from "node:perf_hooks";
import { createInterface } from "node:readline";

import type { Api, Ledger } from "./ledger";
import type { Machines } from "./machines";

export interface WitnessSettings {
    /** Whose requests are made; a name that the machine resolves. */
    host: string;
    consul: { token: string };
    nomad: { token: string; ca: string };
    /** Seconds between two attempts of a kind. */
    every: { consul: number; nomad: number; http: number };
    /** Seconds after which it ends by itself, should nobody end it. */
    seconds: number;
}

export interface Answer {
    status: number;
    body: string;
}

interface Line {
    kind?: "ready" | Api | "http";
    id?: number;
    ms?: number;
    why?: string;
    key?: string;
    error?: string;
}

const program = readFileSync(path.join(__dirname, "witness.py"), "utf8");

/** Seconds within which an order is carried out; reading thousands of variables takes a while. */
const patience = { ask: 6, read: 60 };

/** A process on a machine that writes and asks there, and through which the machine's agents can be asked. */
export class Witness {
    private child: ChildProcessWithoutNullStreams | undefined;
    private ready = false;
    private ended = false;
    private orders = 0;
    private lives = 0;
    private retry: NodeJS.Timeout | undefined;
    private readonly waiting = new Map<
        number,
        { resolve: (line: object) => void; reject: (error: Error) => void }
    >();
    private recording: { prefix: string; ledger: Ledger } | undefined;

    constructor(
        private readonly machines: Machines,
        readonly machine: string,
        private readonly settings: WitnessSettings,
    ) {}

    /** Starts it, and again whenever it ends with its machine, until it is told to end. */
    start(): void {
        this.lives += 1;
        const child = this.machines.converse(this.machine, "python3", "-c", program);
        this.child = child;
        // What it complains of is its machine's end as a rule; orders that are lost say so themselves.
        child.stderr.resume();
        child.stdin.on("error", () => undefined);
        child.stdin.write(`${JSON.stringify(this.settings)}\n`);
        createInterface({ input: child.stdout }).on("line", (line) => this.hear(line));
        let over = false;
        const gone = (): void => {
            if (over) {
                return;
            }
            over = true;
            this.ready = false;
            for (const { reject } of this.waiting.values()) {
                reject(new Error(`the drill's witness on ${this.machine} is gone`));
            }
            this.waiting.clear();
            if (!this.ended) {
                this.retry = setTimeout(() => this.start(), 1000);
            }
        };
        child.on("error", gone).on("close", gone);
    }

    /** Writes and asks from now on, and notes it. Keys begin with the prefix. */
    begin(prefix: string, ledger: Ledger): void {
        this.recording = { prefix, ledger };
        this.resume();
    }

    /** Nothing more is written or asked; what is under way may still be noted. */
    end(): void {
        this.recording = undefined;
        this.tell({ do: "end" });
    }

    /** Asks the machine's own agent, with the management token. */
    async ask(api: Api, pathname: string, method = "GET", body?: object): Promise<Answer> {
        const order = { do: "ask", api, path: pathname, method, body: body && JSON.stringify(body) };
        return (await this.order(order, patience.ask)) as Answer;
    }

    async readVariables(prefix: string): Promise<Record<string, string>> {
        const order = { do: "read variables", prefix };
        return ((await this.order(order, patience.read)) as { found: Record<string, string> }).found;
    }

    async forgetVariables(prefix: string): Promise<void> {
        await this.order({ do: "forget variables", prefix }, patience.read);
    }

    close(): void {
        this.ended = true;
        clearTimeout(this.retry);
        this.child?.stdin.end();
    }

    private resume(): void {
        if (this.recording !== undefined) {
            this.tell({ do: "begin", prefix: `${this.recording.prefix}/${this.machine}/${this.lives}` });
        }
    }

    private hear(text: string): void {
        const line = parse(text);
        if (line === undefined) {
            return;
        }
        const { kind, id, ms = 0, why } = line;
        if (kind === "ready") {
            this.ready = true;
            this.resume();
        } else if (kind !== undefined) {
            const ended = performance.now();
            const attempt = {
                begun: ended - ms,
                ended,
                place: this.machine,
                ...(why !== undefined && { why }),
            };
            if (kind === "http") {
                this.recording?.ledger.requests.push(attempt);
            } else {
                this.recording?.ledger.writes.push({ ...attempt, api: kind, key: line.key ?? "" });
            }
        } else if (id !== undefined) {
            const asked = this.waiting.get(id);
            this.waiting.delete(id);
            if (line.error === undefined) {
                asked?.resolve(line);
            } else {
                asked?.reject(new Error(`${this.machine}: ${line.error}`));
            }
        }
    }

    private order(order: object, seconds: number): Promise<object> {
        if (!this.ready) {
            return Promise.reject(new Error(`the drill's witness on ${this.machine} does not answer`));
        }
        return new Promise((resolve, reject) => {
            const id = this.tell(order);
            const timer = setTimeout(() => {
                this.waiting.delete(id);
                reject(new Error(`the drill's witness on ${this.machine} has not answered in ${seconds} s`));
            }, seconds * 1000);
            const settle =
                <T>(how: (value: T) => void) =>
                (value: T): void => {
                    clearTimeout(timer);
                    how(value);
                };
            this.waiting.set(id, { resolve: settle(resolve), reject: settle(reject) });
        });
    }

    private tell(order: object): number {
        this.orders += 1;
        if (this.ready) {
            this.child?.stdin.write(`${JSON.stringify({ id: this.orders, ...order })}\n`);
        }
        return this.orders;
    }
}

/** Undefined for what the engine says in the program's place while a machine stops. */
function parse(text: string): Line | undefined {
    try {
        return JSON.parse(text) as Line;
    } catch {
        return undefined;
    }
}
