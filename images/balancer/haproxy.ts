import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

import {
    ask,
    parseProcesses,
    parseServers,
    type Processes,
    selectServerState,
    type ServerState,
} from "./haproxy-sockets";
import { paths } from "./paths";
import { poll } from "./poll";

const run = promisify(execFile);

/** How long the last lines of a master that has ended are waited for. */
const lastWordsMs = 500;

/** HAProxy as a child process, in master-worker mode. */
export class Haproxy {
    /** Fulfilled with the exit code when the master has ended. */
    readonly ended: Promise<number>;
    private running = true;

    private constructor(private readonly master: ChildProcess) {
        if (master.stderr !== null) {
            createInterface(master.stderr).on("line", (line) => {
                if (!isRepeated(line)) {
                    console.error(line);
                }
            });
        }
        this.ended = new Promise((resolve) => {
            master.on("error", (error) => {
                console.error(`haproxy cannot be started: ${error.message}`);
                resolve(127);
            });
            master.on("exit", (code) => {
                // Its last words may still be under way; a worker that outlives it could hold them open for long.
                const end = (): void => resolve(code ?? 1);
                master.once("close", end);
                setTimeout(end, lastWordsMs);
            });
        });
        void this.ended.then(() => (this.running = false));
    }

    /** Makes what HAProxy expects to find when it reads a configuration: no server is known yet. Before all else. */
    static prepare(): void {
        mkdirSync(paths.run, { recursive: true, mode: 0o700 });
        replaceFile(paths.servers, "1\n");
    }

    /** Starts with a configuration that `checkConfiguration` has accepted; fulfilled when a worker takes connections. */
    static async start(configuration: string): Promise<Haproxy> {
        writeFileSync(paths.configuration, configuration, { mode: 0o600 });
        const haproxy = new Haproxy(
            spawn("haproxy", ["-W", "-S", `${paths.master},mode,600`, "-f", paths.configuration], {
                stdio: ["ignore", "inherit", "pipe"],
                // Ctrl-C in a terminal is for the supervisor, which knows how to stop softly.
                detached: true,
            }),
        );
        await poll(10_000, 20, async () => {
            if (!haproxy.running) {
                throw new Error(`haproxy ended with code ${await haproxy.ended} at its start`);
            }
            return (await haproxy.processes()).worker !== 0;
        });
        return haproxy;
    }

    /** Complaints of `haproxy -c`, or undefined when it would start. */
    static async checkConfiguration(configuration: string): Promise<string | undefined> {
        const file = `${paths.configuration}.new`;
        writeFileSync(file, configuration, { mode: 0o600 });
        try {
            await run("haproxy", ["-c", "-q", "-f", file]);
            return undefined;
        } catch (error) {
            return ((error as { stderr?: string }).stderr || String(error)).trim();
        } finally {
            rmSync(file, { force: true });
        }
    }

    async processes(): Promise<Processes> {
        return parseProcesses(await ask(paths.master, "show proc"));
    }

    /** The backend's servers and how each stands. */
    async servers(backend: string): Promise<ServerState[]> {
        return parseServers(await ask(paths.admin, "show stat"), backend);
    }

    /**
     * Has a new worker take over with this configuration, without losing a request; rejects when it does not, and the
     * old one serves on. `keep` names the servers of `backend` whose addresses and states the new worker begins with:
     * it would know none before its first answer from the name server.
     */
    async reload(
        configuration: string,
        backend: string,
        keep: readonly string[],
        previous: string,
    ): Promise<void> {
        const state = selectServerState(await ask(paths.admin, "show servers state"), backend, keep);
        replaceFile(paths.servers, state);
        replaceFile(paths.configuration, configuration);
        const before = await this.processes();
        await ask(paths.master, "reload");
        // This version answers before it has reloaded; and the master closes its socket while it starts anew.
        const outcome = await poll(20_000, 50, async () => {
            const now = await this.processes();
            if (now.failed > before.failed) {
                return "failed";
            }
            return now.worker !== 0 && now.worker !== before.worker ? "done" : undefined;
        }).catch(() => "failed");
        if (outcome !== "done") {
            // The next reload, or HAProxy's own, must not find it.
            replaceFile(paths.configuration, previous);
            throw new Error("HAProxy could not take over the new configuration; the old one serves on");
        }
    }

    /** Has HAProxy serve another certificate from this file from now on, without a reload; rejects if it does not want to. */
    async setCertificate(file: string, pem: string, serial: string): Promise<void> {
        const set = await ask(paths.admin, `set ssl cert ${file} <<\n${pem}`);
        if (!/^Transaction (created|updated)/m.test(set)) {
            throw new Error(`HAProxy refuses the certificate: ${set.trim()}`);
        }
        const commit = await ask(paths.admin, `commit ssl cert ${file}`);
        if (!/Success!/.test(commit)) {
            await ask(paths.admin, `abort ssl cert ${file}`);
            throw new Error(`HAProxy refuses the certificate: ${commit.trim()}`);
        }
        const shown = /^Serial: (\w+)/m.exec(await ask(paths.admin, `show ssl cert ${file}`))?.[1] ?? "";
        if (BigInt(`0x${shown || 0}`) !== BigInt(`0x${serial}`)) {
            throw new Error(`HAProxy serves the certificate with the serial ${shown}, not ${serial}`);
        }
    }

    /** Closes the ports, lets running requests finish for so long, then ends what is left. Returns the exit code. */
    async stop(seconds: number): Promise<number> {
        this.master.kill("SIGUSR1");
        const timer = setTimeout(() => this.master.kill("SIGTERM"), seconds * 1000);
        const code = await this.ended;
        clearTimeout(timer);
        return code;
    }
}

/** At a reload each frontend of the old worker says that it has stopped: here, and in its log on standard output. */
export function isRepeated(line: string): boolean {
    return /^\[WARNING\] +\(\d+\) : Proxy \S+ stopped /.test(line);
}

/** Nobody sees half of it. */
export function replaceFile(path: string, content: string): void {
    writeFileSync(`${path}.part`, content, { mode: 0o600 });
    renameSync(`${path}.part`, path);
}
