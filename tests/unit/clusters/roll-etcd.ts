import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import {
    type EtcdRollArgs,
    rollArgument,
    scriptCommand,
    scriptInput,
    turnFiles,
} from "../../../components/clusters/node-script";
import { type Agent, launch } from "../../support/agents";
import { run, start, type CommandResult, type RunningCommand } from "../../support/command";
import { eventually } from "../../support/poll";
import type { Settings, TurnRecord } from "./roll-cluster";

interface Member {
    ID: string;
    name?: string;
    isLearner?: boolean;
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");
const plain = (text: string): string => Buffer.from(text, "base64").toString();

/** Real members of etcd, each on an address of its own, with neither TLS nor users. */
export class EtcdRollCluster {
    readonly folder = mkdtempSync(join(tmpdir(), "gatehouse-roll-"));
    private readonly agents = new Map<string, Agent>();

    private constructor(
        private readonly subnet: string,
        readonly servers: string[],
    ) {}

    /** `subnet` is three bytes, e.g. `127.43.1`. */
    static async start(subnet: string, count: number): Promise<EtcdRollCluster> {
        const names = Array.from({ length: count }, (_, index) => `etcd-${index + 1}`);
        const cluster = new EtcdRollCluster(subnet, names);
        try {
            const launched = await Promise.allSettled(
                names.map((name) => cluster.launch(name, names, "new")),
            );
            launched.forEach((each) => {
                if (each.status === "rejected") {
                    throw each.reason;
                }
            });
            names.forEach((name) => cluster.remember(name, "member"));
        } catch (error) {
            await cluster.stop();
            throw error;
        }
        return cluster;
    }

    async stop(): Promise<void> {
        await Promise.all([...this.agents.values()].map((agent) => agent.stop()));
        rmSync(this.folder, { recursive: true, force: true });
    }

    api(name: string): string {
        return `http://${this.subnet}.${10 + Number(name.split("-")[1])}:2379`;
    }

    agent(name: string): Agent {
        return this.agents.get(name)!;
    }

    state(name: string): string {
        return join(this.folder, name);
    }

    /** As the node's gate would have left it, or its end. */
    remember(name: string, standing: string): void {
        mkdirSync(this.state(name), { recursive: true });
        writeFileSync(join(this.state(name), "member.json"), JSON.stringify({ standing }));
    }

    /** One of the node's scripts, as SSH would run it. Names that begin with `web` are clients'. */
    script(file: string, name: string, settings: Settings = {}, more: object = {}): [string, string] {
        const endpoints = this.servers.map((each) => this.api(each));
        const roll: EtcdRollArgs = {
            role: name.startsWith("web") ? "client" : "server",
            grace: 1,
            timeout: 60,
            state: this.state(name),
            etcd: { endpoints, caFile: "", certificateFile: "", keyFile: "", user: "", password: "" },
            ...settings,
        };
        const argument = rollArgument(name, roll, endpoints);
        return [scriptCommand({ ...argument, ...more }), scriptInput([...turnFiles(roll), file], {})];
    }

    begin(file: string, name: string, settings?: Settings, more?: object): RunningCommand {
        const [command, input] = this.script(file, name, settings, more);
        return start("sh", ["-c", command], { input });
    }

    run(file: string, name: string, settings?: Settings, more?: object): Promise<CommandResult> {
        const [command, input] = this.script(file, name, settings, more);
        return run("sh", ["-c", command], { input });
    }

    async ask<T>(path: string, body: object, via = this.servers[0]!): Promise<T> {
        const response = await fetch(`${this.api(via)}/v3/${path}`, {
            method: "POST",
            body: JSON.stringify(body),
            headers: { connection: "close" },
        });
        const text = await response.text();
        if (!response.ok) {
            throw new Error(`${path}: ${response.status} ${text}`);
        }
        return JSON.parse(text) as T;
    }

    async put(key: string, value: object): Promise<void> {
        await this.ask("kv/put", { key: base64(key), value: base64(JSON.stringify(value)) });
    }

    async under(prefix: string, via?: string): Promise<Map<string, string>> {
        const end = prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
        const { kvs = [] } = await this.ask<{ kvs?: { key: string; value: string }[] }>(
            "kv/range",
            { key: base64(prefix), range_end: base64(end) },
            via,
        );
        return new Map(kvs.map(({ key, value }) => [plain(key), plain(value)]));
    }

    async turn(via?: string): Promise<TurnRecord | undefined> {
        const found = (await this.under("/gatehouse/turn", via)).get("/gatehouse/turn");
        return found === undefined ? undefined : (JSON.parse(found) as TurnRecord);
    }

    async waiting(via?: string): Promise<string[]> {
        return [...(await this.under("/gatehouse/waiting/", via)).keys()].map((key) => key.split("/").pop()!);
    }

    async members(via?: string): Promise<Member[]> {
        return (await this.ask<{ members: Member[] }>("cluster/member/list", { linearizable: true }, via))
            .members;
    }

    async leader(via?: string): Promise<string> {
        const { leader } = await this.ask<{ leader?: string }>("maintenance/status", {}, via);
        const found = (await this.members(via)).find(({ ID }) => ID === leader)?.name;
        if (found === undefined) {
            throw new Error("there is no leader");
        }
        return found;
    }

    async plan(servers: string[], clients: string[] = []): Promise<CommandResult> {
        return this.run("plan.py", this.servers[0]!, {}, { plan: { servers, clients } });
    }

    /** No turn, nobody waits, no plan. */
    async afresh(): Promise<void> {
        await this.ask("kv/deleterange", { key: base64("/gatehouse/"), range_end: base64("/gatehouse0") });
        this.servers.forEach((name) => this.remember(name, "member"));
    }

    /** Adds a member, as a machine without data comes back: a learner first. `via`: a member that is there. */
    async join(name: string, via: string): Promise<void> {
        const former = (await this.members(via)).find((each) => each.name === name);
        if (former !== undefined) {
            await eventually("the predecessor is removed", () =>
                this.ask("cluster/member/remove", { ID: former.ID }, via),
            );
        }
        const others = (await this.members(via)).map((each) => each.name!);
        await eventually("a learner is added", () =>
            this.ask("cluster/member/add", { peerURLs: [this.peer(name)], isLearner: true }, via),
        );
        await this.launch(name, [...others, name], "existing");
    }

    async promote(name: string, via: string): Promise<void> {
        await eventually("it is promoted", async () => {
            const { ID } = (await this.members(via)).find((each) => each.name === name)!;
            await this.ask("cluster/member/promote", { ID }, via);
        });
    }

    private peer(name: string): string {
        return this.api(name).replace("2379", "2380");
    }

    private async launch(name: string, cluster: string[], state: "new" | "existing"): Promise<void> {
        const agent = await launch(
            "etcd",
            {},
            this.api(name),
            (folder) =>
                Object.entries({
                    name,
                    "data-dir": join(folder, "data"),
                    "listen-client-urls": this.api(name),
                    "advertise-client-urls": this.api(name),
                    "listen-peer-urls": this.peer(name),
                    "initial-advertise-peer-urls": this.peer(name),
                    "initial-cluster": cluster.map((each) => `${each}=${this.peer(each)}`).join(","),
                    "initial-cluster-state": state,
                    "initial-cluster-token": this.folder,
                    "log-level": "error",
                    // As the members of a lab: a busy computer holds no elections of its own accord.
                    "heartbeat-interval": "200",
                    "election-timeout": "2000",
                    // The test has no data that it would miss.
                    "unsafe-no-fsync": "true",
                }).map(([option, value]) => `--${option}=${value}`),
            async () => {
                const { leader = "0" } = await this.ask<{ leader?: string }>("maintenance/status", {}, name);
                if (leader === "0") {
                    throw new Error("no leader yet");
                }
            },
        );
        this.agents.set(name, agent);
    }
}
