import { spawn } from "node:child_process";
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import * as path from "node:path";

export const root = path.resolve(__dirname, "../..");

export interface CommandOptions {
    cwd?: string;
    /** The whole environment, not additions. */
    env?: NodeJS.ProcessEnv;
    /** A file that gets the output as it comes, to look at after a failure. */
    log?: string;
    /** Gets the output as it comes. */
    show?: (text: string) => void;
    /** Seconds; then the whole process group is killed. Default 600. */
    timeout?: number;
    input?: string;
}

export interface CommandResult {
    code: number | null;
    signal: NodeJS.Signals | null;
    stdout: string;
    /** Both streams in the order in which they came. */
    output: string;
    seconds: number;
}

/** A command that runs; as a shell would run it, in a process group of its own, so that a signal reaches all of it. */
export interface RunningCommand {
    readonly done: Promise<CommandResult>;
    /** What both streams have said so far. */
    output(): string;
    /** Sends a signal to every process of the group, as Ctrl-C in a terminal does. */
    signal(name: NodeJS.Signals): void;
    /** Kills the command and everything that it has started, as a crash or the out-of-memory killer would. */
    kill(): Promise<void>;
}

export function start(command: string, args: string[], options: CommandOptions = {}): RunningCommand {
    const started = process.hrtime.bigint();
    const child = spawn(command, args, {
        cwd: options.cwd ?? root,
        env: options.env ?? process.env,
        detached: true,
        stdio: ["pipe", "pipe", "pipe"],
    });
    let stdout = "";
    let output = "";
    if (options.log !== undefined) {
        mkdirSync(path.dirname(options.log), { recursive: true });
        writeFileSync(options.log, `$ ${[command, ...args].join(" ")}\n`);
    }
    const take = (chunk: string) => {
        output += chunk;
        options.show?.(chunk);
        if (options.log !== undefined) {
            appendFileSync(options.log, chunk);
        }
    };
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
        stdout += chunk;
        take(chunk);
    });
    child.stderr.setEncoding("utf8").on("data", take);
    child.stdin.on("error", () => undefined); // The command may end without reading.
    child.stdin.end(options.input ?? "");

    const signal = (name: NodeJS.Signals) => {
        if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
            process.kill(-child.pid, name);
        }
    };
    const killer = setTimeout(() => signal("SIGKILL"), (options.timeout ?? 600) * 1000);
    const done = new Promise<CommandResult>((resolve, reject) => {
        child.on("error", reject);
        child.on("close", (code, ended) =>
            resolve({
                code,
                signal: ended,
                stdout,
                output,
                seconds: Number(process.hrtime.bigint() - started) / 1e9,
            }),
        );
    }).finally(() => clearTimeout(killer));
    const kill = async () => {
        const all = new Set<number>();
        const send = (name: NodeJS.Signals, pids: Iterable<number>) => {
            for (const pid of pids) {
                try {
                    process.kill(pid, name);
                } catch {
                    // It ended by itself meanwhile.
                }
            }
        };
        // First they all stand still, so that none starts another one that would not be found.
        for (;;) {
            const more = (await descendants(child.pid)).filter((pid) => !all.has(pid));
            if (more.length === 0) {
                break;
            }
            send("SIGSTOP", more);
            more.forEach((pid) => all.add(pid));
        }
        send("SIGKILL", all);
    };
    return { done, output: () => output, signal, kill };
}

/** A process and all below it, by the parents that the system knows. */
async function descendants(pid: number | undefined): Promise<number[]> {
    const table = (await output("ps", ["-A", "-o", "pid=,ppid="])).trim().split("\n");
    const pairs = table.map((line) => line.trim().split(/\s+/).map(Number) as [number, number]);
    const found = pid === undefined ? [] : [pid];
    for (const parent of found) {
        found.push(...pairs.filter(([, ppid]) => ppid === parent).map(([child]) => child));
    }
    return found;
}

/** Runs a command to its end, whatever that is. */
export function run(command: string, args: string[], options: CommandOptions = {}): Promise<CommandResult> {
    return start(command, args, options).done;
}

/** Runs a command that has to succeed and returns what it printed on its standard output. */
export async function output(command: string, args: string[], options: CommandOptions = {}): Promise<string> {
    const result = await run(command, args, options);
    if (result.code !== 0) {
        throw new Error(`${command} ${args.join(" ")} ended with ${ending(result)}:\n${tail(result.output)}`);
    }
    return result.stdout;
}

export function ending(result: CommandResult): string {
    return result.signal === null ? `code ${result.code}` : result.signal;
}

/** The end of a long text: where the reason of a failure usually stands. */
export function tail(text: string, lines = 40): string {
    return text.trimEnd().split("\n").slice(-lines).join("\n");
}
