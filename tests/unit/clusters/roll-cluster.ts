import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { consulPolicies } from "../../../components/clusters/consul-policies";
import {
    rollArgument,
    type RollArgs,
    scriptCommand,
    scriptInput,
    turnFiles,
} from "../../../components/clusters/node-script";
import { type Agent, launch } from "../../support/agents";
import { run, start, type CommandResult, type RunningCommand } from "../../support/command";
import { eventually } from "../../support/poll";

/** What a script is told that differs from the defaults. */
export interface Settings {
    timeout?: number;
    abandoned?: number;
    grace?: number;
    company?: number;
    role?: "server" | "client";
    jobs?: boolean;
    drain?: number;
    /** Its Nomad agent's API. */
    nomad?: { api: string; token: string };
}

/** The record of the turn. */
export interface TurnRecord {
    node: string;
    phase: string;
    why: string;
}

/** Real Consul servers, each on an address of its own, with ACLs and the token that takes turns. */
export class RollCluster {
    readonly management = randomUUID();
    readonly roll = randomUUID();
    readonly folder = mkdtempSync(join(tmpdir(), "gatehouse-roll-"));
    private readonly agents = new Map<string, Agent>();

    private constructor(
        private readonly subnet: string,
        readonly servers: string[],
    ) {}

    /** `subnet` is three bytes, e.g. `127.42.1`. */
    static async start(subnet: string, count: number): Promise<RollCluster> {
        const names = Array.from({ length: count }, (_, index) => `server-${index + 1}`);
        const cluster = new RollCluster(subnet, names);
        try {
            // All of them settle, so that none starts after the others were stopped.
            const launched = await Promise.allSettled(
                names.map(async (name) => cluster.agents.set(name, await cluster.launch(name))),
            );
            launched.forEach((each) => {
                if (each.status === "rejected") {
                    throw each.reason;
                }
            });
            await cluster.admitToken();
            names.forEach((name) => cluster.remember(name, "member"));
            await cluster.healthy();
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
        return `http://${this.subnet}.${10 + Number(name.split("-")[1])}:8500`;
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

    /** One of the node's scripts, as SSH would run it. */
    script(file: string, name: string, settings: Settings = {}, more: object = {}): [string, string] {
        const roll: RollArgs = {
            role: "server",
            grace: 1,
            timeout: 60,
            consul: { api: this.api(name), token: "" },
            state: this.state(name),
            ...settings,
        };
        const argument = rollArgument(name, roll);
        const sources = [...turnFiles(roll), file];
        return [scriptCommand({ ...argument, ...more }), scriptInput(sources, { consul: this.roll })];
    }

    begin(file: string, name: string, settings?: Settings, more?: object): RunningCommand {
        const [command, input] = this.script(file, name, settings, more);
        return start("sh", ["-c", command], { input });
    }

    run(file: string, name: string, settings?: Settings, more?: object): Promise<CommandResult> {
        const [command, input] = this.script(file, name, settings, more);
        return run("sh", ["-c", command], { input });
    }

    async ask<T>(path: string, options: { via?: string; method?: string; body?: unknown } = {}): Promise<T> {
        const response = await fetch(this.api(options.via ?? this.servers[0]!) + path, {
            method: options.method ?? "GET",
            ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
            headers: { "X-Consul-Token": this.management, connection: "close" },
        });
        const text = await response.text();
        if (!response.ok && response.status !== 404) {
            throw new Error(`${path}: ${response.status} ${text}`);
        }
        return (response.status === 404 || text === "" ? undefined : JSON.parse(text)) as T;
    }

    async turn(via?: string): Promise<TurnRecord | undefined> {
        return this.ask<TurnRecord | undefined>("/v1/kv/gatehouse/turn?raw", { via });
    }

    async waiting(): Promise<string[]> {
        const keys = await this.ask<string[] | undefined>("/v1/kv/gatehouse/waiting/?keys");
        return (keys ?? []).map((key) => key.split("/").pop()!);
    }

    async leader(via?: string): Promise<string> {
        const { Servers } = await this.ask<{ Servers: { Node: string; Leader: boolean }[] }>(
            "/v1/operator/raft/configuration",
            { via },
        );
        return Servers.find((each) => each.Leader)!.Node;
    }

    /** No turn, nobody waits, and Autopilot content. */
    async afresh(): Promise<void> {
        await this.ask("/v1/kv/gatehouse/?recurse", { method: "DELETE" });
        await this.healthy();
    }

    async healthy(): Promise<void> {
        await eventually("Autopilot says healthy", async () => {
            const health = await this.ask<{ Healthy: boolean; Servers: { Voter: boolean }[] }>(
                "/v1/operator/autopilot/health",
            );
            const voters = health.Servers.filter((each) => each.Voter).length;
            if (!health.Healthy || voters !== this.agents.size) {
                throw new Error(JSON.stringify(health));
            }
        });
    }

    /** A server more. */
    async join(name: string): Promise<void> {
        this.agents.set(name, await this.launch(name, {}));
        this.remember(name, "member");
    }

    /** Another agent, no server, that calls itself by a member's name; done when it has met the others. */
    async twin(name: string): Promise<{ agent: Agent; api: string }> {
        const api = `http://${this.subnet}.99:8500`;
        const agent = await this.launch(name, { server: false }, api, async () => {
            const response = await fetch(`${api}/v1/agent/members`, {
                headers: { "X-Consul-Token": this.management, connection: "close" },
            });
            const members = (await response.json()) as { Name: string }[];
            if (members.length < this.servers.length) {
                throw new Error(JSON.stringify(members));
            }
        });
        return { agent, api };
    }

    private async launch(
        name: string,
        how: object = { bootstrap_expect: this.servers.length },
        api = this.api(name),
        ready: () => Promise<void> = async () => void (await this.leader(name)),
    ): Promise<Agent> {
        const address = new URL(api).hostname;
        const others = this.servers.map((each) => new URL(this.api(each)).hostname);
        return launch(
            "consul",
            {},
            api,
            (folder) => {
                const configuration = {
                    server: true,
                    ...how,
                    node_name: name,
                    data_dir: join(folder, "data"),
                    bind_addr: address,
                    client_addr: address,
                    ports: { dns: -1, grpc: -1, grpc_tls: -1, serf_wan: -1 },
                    retry_join: others.filter((each) => each !== address),
                    retry_interval: "1s",
                    // A busy computer holds no elections of its own accord, nor takes slow servers for sick ones.
                    performance: { raft_multiplier: 2 },
                    autopilot: { server_stabilization_time: "1s", last_contact_threshold: "2s" },
                    acl: {
                        enabled: true,
                        default_policy: "deny",
                        tokens: { initial_management: this.management, agent: this.management },
                    },
                    leave_on_terminate: false,
                    disable_update_check: true,
                    log_level: "WARN",
                };
                writeFileSync(join(folder, "consul.json"), JSON.stringify(configuration));
                return ["agent", "-config-file", join(folder, "consul.json")];
            },
            ready,
        );
    }

    private async admitToken(): Promise<void> {
        const policy = { Name: "roll", Rules: consulPolicies.roll.rules };
        await eventually("Consul takes policies", () =>
            this.ask("/v1/acl/policy", { method: "PUT", body: policy }),
        );
        const token = { SecretID: this.roll, Policies: [{ Name: "roll" }] };
        await this.ask("/v1/acl/token", { method: "PUT", body: token });
    }
}
