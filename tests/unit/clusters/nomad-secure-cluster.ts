import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import * as https from "node:https";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import type { NodeAddress } from "../../../components/clusters/node";
import { isServer } from "../../../components/clusters/node";
import type { NodeConfiguration, NodeFile } from "../../../components/clusters/node-files";
import { nomadBootstrap, type NomadCommandParameters } from "../../../components/clusters/nomad-acl";
import { secureNomad, type SecureNomadArgs } from "../../../components/clusters/nomad-configuration";
import { findTool } from "../../support/agents";
import { type CommandResult, run } from "../../support/command";
import { eventually } from "../../support/poll";
import { type Identity, Pki } from "../plugins/tls/pki";
import { authority, ecdsa, localOf, overSsh } from "./secure-consul";

/** What a client runs tasks with; no container is started here. */
export const containers = { sidecarImage: "envoy", infraImage: "pause" };

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

/** A job as users write it: no token, no identity. */
export function job(id: string) {
    return {
        Job: {
            ID: id,
            Datacenters: ["dc1"],
            TaskGroups: [
                {
                    Name: "web",
                    Networks: [{ Mode: "host", DynamicPorts: [{ Label: "http" }] }],
                    Services: [{ Name: id, PortLabel: "http", Provider: "consul", Tags: ["routed"] }],
                    Tasks: [
                        {
                            Name: "web",
                            Driver: "raw_exec",
                            Config: { command: "/bin/sleep", args: ["3600"] },
                            Resources: { CPU: 20, MemoryMB: 10 },
                            Consul: {},
                            Templates: [
                                {
                                    EmbeddedTmpl: "{{ range services }}{{ .Name }} {{ end }}",
                                    DestPath: "local/catalogue",
                                    ChangeMode: "noop",
                                },
                            ],
                        },
                    ],
                },
            ],
        },
    };
}

/** Secrets and members of a cluster under test; members are at .11 and on, and what they offer to themselves at .111. */
export class NomadUnderTest {
    readonly gossipKey = randomBytes(32).toString("base64");
    /** The secret of the management token. */
    readonly management = randomUUID();
    readonly servers: NodeAddress[];
    private readonly running: NomadMember[] = [];

    private constructor(
        readonly subnet: string,
        serverCount: number,
        readonly pki: Pki,
        readonly ca: Identity,
        /** Consul's loopback address, for all members. */
        private readonly consul: string,
    ) {
        this.servers = Array.from({ length: serverCount }, (_, index) => this.node("server", index + 1));
    }

    static async create(subnet: string, serverCount: number, consul = "127.0.0.1"): Promise<NomadUnderTest> {
        const pki = await Pki.start();
        return new NomadUnderTest(subnet, serverCount, pki, await authority(pki), consul);
    }

    node(role: "server" | "client", index: number): NodeAddress {
        return {
            name: `${role}-${index}`,
            address: `${this.subnet}.${(role === "server" ? 10 : 20) + index}`,
        };
    }

    async certificate(
        node: NodeAddress,
        role: "server" | "client",
        ca = this.ca,
    ): Promise<{ certPem: string; keyPem: string }> {
        const { cert, key } = await this.pki.sign(ca, await this.pki.key(ecdsa), {
            subject: { commonName: `${role}.global.nomad` },
            dnsNames: [`${role}.global.nomad`, "localhost"],
            ipAddresses: ["127.0.0.1", localOf(node), node.address],
        });
        return { certPem: cert, keyPem: key };
    }

    async args(node: NodeAddress, overrides: Partial<SecureNomadArgs> = {}): Promise<SecureNomadArgs> {
        const server = isServer(node, overrides.servers ?? this.servers);
        return {
            datacenter: "dc1",
            node,
            servers: this.servers,
            caPem: this.ca.cert,
            certificate: await this.certificate(node, server ? "server" : "client"),
            consulToken: randomUUID(),
            ...(server ? { gossipKey: this.gossipKey } : { client: containers, networkInterface: "lo" }),
            ...overrides,
        };
    }

    /** An agent with exactly the files of a machine; it need not be ready yet. */
    async launch(node: NodeAddress, overrides: Partial<SecureNomadArgs> = {}): Promise<NomadMember> {
        const member = new NomadMember(node, secureNomad(await this.args(node, overrides)), this.consul);
        this.running.push(member);
        member.start();
        return member;
    }

    async start(node: NodeAddress, overrides: Partial<SecureNomadArgs> = {}): Promise<NomadMember> {
        const member = await this.launch(node, overrides);
        await member.ready();
        return member;
    }

    /** The members' requests with the management token. */
    bootstrap(member: NomadMember, secret = this.management): Promise<CommandResult> {
        return overSsh(nomadBootstrap(secret, member.parameters(20)));
    }

    /** Clients first: they hand over what they run to nobody, which takes a server. */
    async close(): Promise<void> {
        const servers = new Set(this.servers.map(({ name }) => name));
        const last = (member: NomadMember): number => Number(servers.has(member.node.name));
        for (const member of [...this.running].sort((a, b) => last(a) - last(b))) {
            await member.end("SIGINT");
            member.forget();
        }
        this.pki.close();
    }
}

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
        process.once("exit", () => this.child?.kill("SIGKILL"));
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
        const log = openSync(join(this.folder, "log"), "a");
        this.child = spawn(findTool("nomad"), ["agent", "-config", join(this.folder, "nomad.d")], {
            stdio: ["ignore", log, log],
            cwd: this.folder,
        });
    }

    /** Waits until the unit's own `healthy` says so. */
    ready(): Promise<void> {
        return eventually(`${this.node.name} is healthy`, async () => {
            if (this.child!.exitCode !== null) {
                throw new Error(`it has ended: ${this.log().slice(-2000)}`);
            }
            const { code, output } = await this.healthy();
            if (code !== 0) {
                throw new Error(output);
            }
        });
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
