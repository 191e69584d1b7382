import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import * as https from "node:https";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import type { NodeAddress } from "../../../components/clusters/node";
import type { NodeConfiguration, NodeFile } from "../../../components/clusters/node-files";
import type { NomadCommandParameters } from "../../../components/clusters/nomad-acl";
import { findTool } from "../../support/agents";
import { type CommandResult, run } from "../../support/command";
import { eventually } from "../../support/poll";
import { localOf } from "./secure-consul";

/** What machines have not: tasks without containers, on a disk that is full of other things. */
const testOnly = {
    client: {
        options: { "driver.allowlist": "raw_exec" },
        gc_disk_usage_threshold: 99,
        gc_inode_usage_threshold: 99,
        reserved: { disk: 0 },
    },
    plugin: [{ raw_exec: [{ config: [{ enabled: true }] }] }],
};

export interface Answer {
    status: number;
    text: string;
    // eslint-disable-next-line @typescript-eslint/no-explicit-any -- answers are looked into as they come
    json: any;
}

/** One agent, in a folder of its own. */
export class NomadMember {
    readonly folder = mkdtempSync(join(tmpdir(), "gatehouse-nomad-"));
    private child: ChildProcess | undefined;
    private readonly kill = (): void => void this.child?.kill("SIGKILL");

    constructor(
        readonly node: NodeAddress,
        private readonly configuration: NodeConfiguration,
        private readonly consul: string,
    ) {
        this.put(configuration.files);
        const extra = join(this.folder, "nomad.d/test.json");
        if (configuration.files.every(({ path }) => !path.endsWith("gossip.json"))) {
            writeFileSync(extra, JSON.stringify(testOnly));
        }
    }

    get pid(): number {
        return this.child!.pid!;
    }

    get api(): string {
        return `https://${localOf(this.node)}:4646`;
    }

    get caFile(): string {
        return join(this.folder, "nomad.d/tls/ca.pem");
    }

    parameters(timeout: number): NomadCommandParameters {
        return { api: this.api, ca: this.caFile, timeout };
    }

    /** Puts files where the agent reads them; nothing reads them yet. */
    put(files: NodeFile[]): void {
        for (const { path, content, mode } of files) {
            const target = this.here(path);
            mkdirSync(dirname(target), { recursive: true });
            writeFileSync(target, this.here(content), { mode: parseInt(mode, 8) });
        }
    }

    /** A machine's paths and its own loopback address, where this member has them. */
    here(text: string): string {
        return text
            .replaceAll("/etc/nomad.d", join(this.folder, "nomad.d"))
            .replaceAll("/etc/systemd", join(this.folder, "systemd"))
            .replaceAll("/run/", join(this.folder, "run-"))
            .replaceAll("/var/lib/nomad", join(this.folder, "data"))
            .replaceAll(/127\.0\.0\.1(?=:850)/g, this.consul)
            .replaceAll("127.0.0.1", localOf(this.node));
    }

    start(): void {
        process.off("exit", this.kill).once("exit", this.kill);
        const log = openSync(join(this.folder, "log"), "a");
        this.child = spawn(findTool("nomad"), ["agent", "-config", join(this.folder, "nomad.d")], {
            stdio: ["ignore", log, log],
            cwd: this.folder,
        });
    }

    /** Waits until the unit's own `healthy` says so. */
    ready(): Promise<void> {
        return eventually(
            `${this.node.name} is healthy`,
            async () => {
                if (this.child!.exitCode !== null) {
                    throw new Error(`it has ended: ${this.log().slice(-2000)}`);
                }
                const { code, output } = await this.healthy();
                if (code !== 0) {
                    throw new Error(output);
                }
            },
            { within: 60 },
        );
    }

    check(): Promise<CommandResult> {
        return this.command(this.configuration.units[0]!.check!);
    }

    healthy(): Promise<CommandResult> {
        return this.command(this.configuration.units[0]!.healthy!);
    }

    private command(words: string[]): Promise<CommandResult> {
        const [program, ...args] = words.map((word) => this.here(word));
        return run(program!, args);
    }

    signal(name: NodeJS.Signals): void {
        this.child!.kill(name);
    }

    /** Signals the agent and waits for its end; how it ended. */
    async end(signal: NodeJS.Signals): Promise<number | null> {
        const ending = this.child;
        if (ending && ending.exitCode === null && ending.signalCode === null) {
            const gone = new Promise((resolve) => ending.once("exit", resolve));
            const force = setTimeout(() => ending.kill("SIGKILL"), 20_000);
            ending.kill(signal);
            await gone;
            clearTimeout(force);
        }
        process.off("exit", this.kill);
        return ending?.exitCode ?? null;
    }

    async restart(): Promise<void> {
        await this.end("SIGINT");
        this.start();
        await this.ready();
    }

    log(): string {
        return readFileSync(join(this.folder, "log"), "utf8");
    }

    forget(): void {
        const mounts = readFileSync("/proc/mounts", "utf8")
            .split("\n")
            .map((line) => line.split(" ")[1] ?? "");
        for (const mount of mounts.filter((path) => path.startsWith(`${this.folder}/`)).reverse()) {
            spawnSync("umount", [mount]);
        }
        rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
    }

    /** A request to the agent's own API, whose certificate has to be right. */
    ask(
        path: string,
        { method = "GET", token, body, host = localOf(this.node) }: Request = {},
    ): Promise<Answer> {
        return new Promise((resolve, reject) => {
            const request = https.request(
                `https://${host}:4646${path}`,
                {
                    method,
                    ca: readFileSync(this.caFile),
                    agent: false,
                    timeout: 10_000,
                    headers: token ? { "X-Nomad-Token": token } : {},
                },
                (response) => {
                    let text = "";
                    response.setEncoding("utf8");
                    response.on("data", (chunk: string) => (text += chunk));
                    response.on("error", reject);
                    response.on("end", () =>
                        resolve({ status: response.statusCode ?? 0, text, json: parsed(text) }),
                    );
                },
            );
            request.on("timeout", () => request.destroy(new Error("no answer in time")));
            request.on("error", reject);
            request.end(body === undefined ? undefined : JSON.stringify(body));
        });
    }
}

export interface Request {
    method?: string;
    token?: string;
    body?: unknown;
    /** Another address of the machine. Default: what its loopback stands for. */
    host?: string;
}

function parsed(text: string): unknown {
    try {
        return JSON.parse(text);
    } catch {
        return undefined;
    }
}
