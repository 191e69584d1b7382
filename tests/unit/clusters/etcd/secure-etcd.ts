import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import * as https from "node:https";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { etcdClientFiles } from "../../../../components/clusters/etcd/client";
import { clientUrl, etcdMember, type EtcdMemberArgs } from "../../../../components/clusters/etcd/member";
import type { NodeAddress } from "../../../../components/clusters/node";
import { findTool } from "../../../support/agents";
import { type CommandResult, run, type RunningCommand, start } from "../../../support/command";
import { eventually } from "../../../support/poll";
import { type Identity, Pki } from "../../plugins/tls/pki";
import { authority, ecdsa, localOf } from "../secure-consul";

export interface Pair {
    certPem: string;
    keyPem: string;
}

/** Secrets and members of a cluster under test; every member has an address of its own on loopback. */
export class SecureEtcd {
    readonly token = randomBytes(8).toString("hex");
    readonly rootPassword = randomBytes(12).toString("hex");
    readonly machines: EtcdMachine[];
    readonly folder = mkdtempSync(join(tmpdir(), "gatehouse-etcd-"));

    private constructor(
        private readonly pki: Pki,
        readonly ca: { clients: Identity; peers: Identity },
        readonly members: NodeAddress[],
    ) {
        this.machines = members.map((node) => new EtcdMachine(this, node));
    }

    /** `subnet` is three bytes, e.g. `127.0.60`: members are at .11 and on, what they offer to themselves at .111. */
    static async create(subnet: string, count: number): Promise<SecureEtcd> {
        const pki = await Pki.start();
        const ca = { clients: await authority(pki), peers: await authority(pki) };
        const members = Array.from({ length: count }, (_, index) => ({
            name: `etcd-${index + 1}`,
            address: `${subnet}.${11 + index}`,
        }));
        return new SecureEtcd(pki, ca, members);
    }

    /** All members as founders, and until they have settled. */
    async found(machines = this.machines): Promise<void> {
        for (const machine of machines) {
            await machine.configure();
            machine.seed();
        }
        await Promise.all(machines.map((machine) => machine.up()));
    }

    async close(): Promise<void> {
        await Promise.all(this.machines.map((machine) => machine.kill()));
        this.pki.close();
        rmSync(this.folder, { recursive: true, force: true });
    }

    async certificate(
        purpose: "clients" | "peers",
        name: string,
        address?: string,
        subject: object = purpose === "clients" ? { organization: name } : { commonName: name },
    ): Promise<Pair> {
        const { cert, key } = await this.pki.sign(this.ca[purpose], await this.pki.key(ecdsa), {
            subject,
            dnsNames: address ? [name, "localhost"] : [name],
            // Here members call each other from 127.0.0.1.
            ipAddresses: address ? ["127.0.0.1", address, localOf({ name, address })] : [],
        });
        return { certPem: cert, keyPem: key };
    }

    async args(node: NodeAddress, overrides: Partial<EtcdMemberArgs> = {}): Promise<EtcdMemberArgs> {
        return {
            node,
            members: this.members,
            clusterToken: this.token,
            ca: { clients: this.ca.clients.cert, peers: this.ca.peers.cert },
            certificates: {
                server: await this.certificate("clients", node.name, node.address),
                peer: await this.certificate("peers", node.name, node.address),
            },
            rootPassword: this.rootPassword,
            patience: 30,
            ...overrides,
        };
    }

    /** A question to the gateway with a client's certificate, unless another or none is said. */
    async ask(
        path: string,
        body: object = {},
        { method = "POST", token, pair, url = clientUrl(this.members[0]!) }: Question = {},
    ): Promise<Answer> {
        this.client ??= await this.certificate("clients", "machine probe");
        const shown = pair === undefined ? this.client : pair;
        return new Promise((resolve, reject) => {
            const request = https.request(
                url + path,
                {
                    method,
                    ca: [this.ca.clients.cert, this.ca.peers.cert],
                    ...(shown && { cert: shown.certPem, key: shown.keyPem }),
                    headers: token ? { Authorization: token } : {},
                    agent: false,
                    timeout: 5000,
                },
                (response) => {
                    let text = "";
                    response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
                    response.on("end", () =>
                        resolve({
                            status: response.statusCode ?? 0,
                            text,
                            json: text.startsWith("{") ? JSON.parse(text) : undefined,
                        }),
                    );
                    response.on("error", reject);
                },
            );
            request.on("timeout", () => request.destroy(new Error("no answer in time")));
            request.on("error", reject);
            request.end(method === "GET" ? undefined : JSON.stringify(body));
        });
    }

    /** A user's token. */
    async login(name: string, password: string): Promise<string> {
        const { status, json, text } = await this.ask("/v3/auth/authenticate", { name, password });
        if (status !== 200) {
            throw new Error(text);
        }
        return json.token as string;
    }

    /** The members as a running one knows them: their names, `learner` after a learner's. */
    async list(url = clientUrl(this.members[0]!)): Promise<string[]> {
        const { json } = await this.ask("/v3/cluster/member/list", {}, { url });
        return (json.members as { name?: string; isLearner?: boolean }[])
            .map(({ name = "not started", isLearner }) => `${name}${isLearner ? " learner" : ""}`)
            .sort();
    }

    private client: Pair | undefined;
}

export interface Question {
    /** Default: POST. */
    method?: "GET" | "POST";
    token?: string;
    /** What to show; null: no certificate. */
    pair?: Pair | null;
    url?: string;
}

export interface Answer {
    status: number;
    text: string;
    // eslint-disable-next-line @typescript-eslint/no-explicit-any -- answers are looked into as they come
    json: any;
}

/** A machine's files in a folder, and what systemd would run there. */
export class EtcdMachine {
    private etcd: RunningCommand | undefined;

    constructor(
        private readonly cluster: SecureEtcd,
        readonly node: NodeAddress,
    ) {}

    get folder(): string {
        return join(this.cluster.folder, this.node.name);
    }

    get url(): string {
        return clientUrl(this.node);
    }

    /** Puts the files there. */
    async configure(overrides: Partial<EtcdMemberArgs> = {}): Promise<void> {
        const { files } = etcdMember(await this.cluster.args(this.node, overrides));
        const client = await this.cluster.certificate("clients", `machine ${this.node.name}`);
        const { caFile, certificateFile, keyFile } = etcdClientFiles;
        for (const { path, content } of [
            ...files,
            { path: caFile, content: this.cluster.ca.clients.cert },
            { path: certificateFile, content: client.certPem },
            { path: keyFile, content: client.keyPem },
        ]) {
            const target = join(this.folder, path);
            mkdirSync(dirname(target), { recursive: true });
            writeFileSync(target, this.here(content).replaceAll('"group": "etcd"', '"group": "root"'));
        }
    }

    seed(): void {
        const path = this.here("/var/lib/gatehouse/etcd-seed");
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, this.cluster.token);
    }

    get seeded(): boolean {
        return existsSync(this.here("/var/lib/gatehouse/etcd-seed"));
    }

    /** The configuration that the machine has decided on. */
    get configuration(): string {
        return readFileSync(this.here("/run/etcd/etcd.yaml"), "utf8");
    }

    /** The program with one of its actions. */
    program(action: "prepare" | "settle" | "healthy" | "alarms"): RunningCommand {
        const [path, settings] = ["/usr/local/lib/gatehouse/etcd-member", "/etc/etcd/member.json"];
        return start("python3", [this.here(path), action, this.here(settings)], { timeout: 60 });
    }

    run(action: "prepare" | "settle" | "healthy" | "alarms"): Promise<CommandResult> {
        return this.program(action).done;
    }

    /** etcd itself, on what `prepare` has left. */
    start(): void {
        mkdirSync(this.here("/var/lib/etcd"), { recursive: true, mode: 0o700 });
        const file = this.here("/run/etcd/etcd.yaml");
        this.etcd = start(findTool("etcd"), [`--config-file=${file}`], { timeout: 3600 });
    }

    /** What systemd does: the unit, and what it wants after it. */
    async up(): Promise<void> {
        for (const step of ["prepare", "settle"] as const) {
            const { code, output } = await this.run(step);
            if (code !== 0) {
                throw new Error(`${this.node.name}: ${step}: ${output}\n${this.log()}`);
            }
            if (step === "prepare") {
                this.start();
            }
        }
    }

    log(): string {
        return this.etcd?.output().slice(-3000) ?? "";
    }

    async healthy(within = 20): Promise<void> {
        await eventually(
            `${this.node.name} is healthy`,
            async () => {
                const { code, output } = await this.run("healthy");
                if (code !== 0) {
                    throw new Error(output + this.log());
                }
            },
            { within },
        );
    }

    async kill(): Promise<void> {
        this.etcd?.signal("SIGKILL");
        await this.etcd?.done;
        this.etcd = undefined;
    }

    /** Its successor: the same address and files, nothing of what it knew. */
    lose(): void {
        for (const path of ["/var/lib/etcd", "/var/lib/gatehouse", "/run/etcd"]) {
            rmSync(this.here(path), { recursive: true, force: true });
        }
    }

    /** Where the machine's own client files are. */
    get clientFiles(): Record<keyof typeof etcdClientFiles, string> {
        const { caFile, certificateFile, keyFile } = etcdClientFiles;
        return {
            caFile: this.here(caFile),
            certificateFile: this.here(certificateFile),
            keyFile: this.here(keyFile),
        };
    }

    etcdctl(args: string[]): Promise<CommandResult> {
        const { caFile, certificateFile, keyFile } = this.clientFiles;
        const tls = [`--cacert=${caFile}`, `--cert=${certificateFile}`, `--key=${keyFile}`];
        return run(findTool("etcdctl"), [`--endpoints=${this.url}`, ...tls, ...args]);
    }

    /** A machine's paths and its own loopback address, where this member has them. */
    here(text: string): string {
        return text
            .replaceAll(/\/(?:etc|run|var\/lib|usr\/local\/lib)\/(?:etcd|gatehouse)/g, (path) =>
                join(this.folder, path),
            )
            .replaceAll("127.0.0.1", localOf(this.node));
    }
}
