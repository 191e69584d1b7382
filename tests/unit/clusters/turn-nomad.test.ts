import * as assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { type Agent, freePorts, launch, nomadConfiguration } from "../../support/agents";
import { eventually } from "../../support/poll";
import { RollCluster } from "./roll-cluster";

async function ask<T>(address: string, path: string, body?: unknown): Promise<T> {
    const response = await fetch(address + path, {
        ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
        headers: { connection: "close" },
    });
    const text = await response.text();
    assert.ok(response.ok, `${path}: ${response.status} ${text}`);
    return JSON.parse(text) as T;
}

describe("the turn of a Nomad client", function () {
    this.timeout(120_000);
    let cluster: RollCluster;
    let nomad: Agent;
    before(async () => {
        cluster = await RollCluster.start("127.42.5", 1);
        const ports = await freePorts(["http", "rpc", "serf"]);
        const address = `http://127.0.0.1:${ports.http}`;
        nomad = await launch(
            "nomad",
            ports,
            address,
            (folder) => {
                const file = join(folder, "nomad.hcl");
                writeFileSync(file, `name = "server-1"\n${nomadConfiguration(folder, ports)}`);
                return ["agent", "-config", file];
            },
            async () => {
                const nodes = await ask<{ Drivers?: Record<string, { Healthy: boolean }> }[]>(
                    address,
                    "/v1/nodes?drivers=true",
                );
                assert.ok(nodes.some((each) => each.Drivers?.["raw_exec"]?.Healthy));
                // Without one no allocation gets an identity.
                const keys = await ask<{ State: string }[]>(address, "/v1/operator/keyring/keys");
                assert.ok(keys.some(({ State }) => State === "active"));
            },
        );
    });
    after(async () => {
        await nomad?.stop();
        await cluster?.stop();
    });

    const node = async (): Promise<{ ID: string; SchedulingEligibility: string }> =>
        (await ask<{ ID: string; SchedulingEligibility: string }[]>(nomad.address, "/v1/nodes"))[0]!;
    const running = async (): Promise<number> =>
        (await ask<{ ClientStatus: string }[]>(nomad.address, "/v1/allocations")).filter(
            (each) => each.ClientStatus === "running",
        ).length;
    const job = {
        ID: "idle",
        Type: "service",
        Datacenters: ["dc1"],
        TaskGroups: [
            {
                Name: "idle",
                Count: 1,
                Tasks: [
                    { Name: "idle", Driver: "raw_exec", Config: { command: "/bin/sleep", args: ["600"] } },
                ],
            },
        ],
    };

    it("drains it, and makes it eligible again when it is back", async () => {
        await ask(nomad.address, "/v1/jobs", { Job: job });
        await eventually("the job runs", async () => assert.equal(await running(), 1));
        const settings = { role: "client" as const, drain: 2, nomad: { api: nomad.address, token: "" } };
        const went = await cluster.run("let-go.py", "server-1", settings);
        assert.equal(went.code, 0, went.output);
        assert.match(went.stdout, /"turn": "taken".*"drained": true/);
        assert.equal(await running(), 0);
        assert.equal((await node()).SchedulingEligibility, "ineligible");

        const back = await cluster.run("gate.py", "server-1", settings);
        assert.equal(back.code, 0, back.output);
        assert.match(back.stdout, /"eligible": true.*"turn": "given back"/);
        assert.equal((await node()).SchedulingEligibility, "eligible");
        await eventually("the job runs again", async () => assert.equal(await running(), 1));
    });

    it("is a server's, too, where servers run jobs", async () => {
        const nomadOf = { nomad: { api: nomad.address, token: "" } };
        const went = await cluster.run("let-go.py", "server-1", { role: "client", drain: 2, ...nomadOf });
        assert.equal(went.code, 0, went.output);
        // One that runs none does not look after the client in its agent.
        const idle = await cluster.run("gate.py", "server-1", { role: "server", ...nomadOf });
        assert.equal(idle.code, 0, idle.output);
        assert.equal((await node()).SchedulingEligibility, "ineligible");
        const both = await cluster.run("gate.py", "server-1", { role: "server", jobs: true, ...nomadOf });
        assert.equal(both.code, 0, both.output);
        assert.match(both.stdout, /"eligible": true/);
        await eventually("the job runs again", async () => assert.equal(await running(), 1));
    });

    it("leaves a client alone that an operator has made ineligible", async () => {
        const { ID } = await node();
        await ask(nomad.address, `/v1/node/${ID}/eligibility`, { Eligibility: "ineligible" });
        // The drain of the test before is the last one that Nomad knows of; another one, by hand, is not ours.
        await ask(nomad.address, `/v1/node/${ID}/drain`, {
            DrainSpec: { Deadline: 1e9 },
            Meta: { message: "a disk is to be replaced" },
        });
        await eventually("it is drained", async () => assert.equal(await running(), 0));
        const settings = { role: "client" as const, nomad: { api: nomad.address, token: "" } };
        const gate = await cluster.run("gate.py", "server-1", settings);
        assert.equal(gate.code, 0, gate.output);
        assert.equal((await node()).SchedulingEligibility, "ineligible");
    });
});

describe("the turn of a Nomad server", function () {
    this.timeout(120_000);
    let cluster: RollCluster;
    const agents: Agent[] = [];
    before(async () => {
        cluster = await RollCluster.start("127.42.6", 3);
        const started = await Promise.allSettled(cluster.servers.map((name) => server(name)));
        started.forEach((each) => {
            if (each.status === "rejected") {
                throw each.reason;
            }
        });
        await eventually("Nomad is healthy", async () => {
            const health = await ask<{ Healthy: boolean; Servers: unknown[] }>(
                api("server-1"),
                "/v1/operator/autopilot/health",
            );
            assert.ok(health.Healthy && health.Servers.length === 3, JSON.stringify(health));
        });
    });
    after(async () => {
        await Promise.all(agents.map((agent) => agent.stop()));
        await cluster?.stop();
    });

    const address = (name: string): string => new URL(cluster.api(name)).hostname;
    const api = (name: string): string => `http://${address(name)}:4646`;
    /** Whom a server takes for the leader: another one may hear of it later. */
    const leader = (): Promise<string> =>
        eventually("somebody leads", async () => {
            const at = await ask<string>(api("server-1"), "/v1/status/leader");
            const found = cluster.servers.find((name) => at.startsWith(`${address(name)}:`));
            assert.ok(found, at);
            return found;
        });

    async function server(name: string): Promise<void> {
        const agent = await launch(
            "nomad",
            {},
            api(name),
            (folder) => {
                const configuration = {
                    name,
                    data_dir: join(folder, "data"),
                    bind_addr: address(name),
                    advertise: { http: address(name), rpc: address(name), serf: address(name) },
                    log_level: "WARN",
                    disable_update_check: true,
                    consul: { client_auto_join: false, server_auto_join: false, auto_advertise: false },
                    autopilot: { server_stabilization_time: "1s", last_contact_threshold: "2s" },
                    server: {
                        enabled: true,
                        bootstrap_expect: 3,
                        raft_multiplier: 2,
                        server_join: {
                            retry_join: cluster.servers.filter((each) => each !== name).map(address),
                            retry_interval: "1s",
                        },
                    },
                };
                writeFileSync(join(folder, "nomad.json"), JSON.stringify(configuration));
                return ["agent", "-config", join(folder, "nomad.json")];
            },
            async () => assert.notEqual(await ask<string>(api(name), "/v1/status/leader"), ""),
        );
        agents.push(agent);
    }

    it("hands its leadership over, and is a member again when Nomad is well, too", async () => {
        const name = await leader();
        const settings = { nomad: { api: api(name), token: "" } };
        const went = await cluster.run("let-go.py", name, settings);
        assert.equal(went.code, 0, went.output);
        assert.match(went.stdout, /"handedOver": \[("consul", )?"nomad"\]/);
        await eventually("another one leads", async () => assert.notEqual(await leader(), name));
        const gate = await cluster.run("gate.py", name, settings);
        assert.equal(gate.code, 0, gate.output);
        assert.match(gate.stdout, /"turn": "given back"/);
    });

    it("is not given while another Nomad server is away, though Consul is well; once that is removed, it is", async () => {
        // A new leader's Autopilot would have nothing to say for a while.
        const leading = await leader();
        const [away, asking] = cluster.servers.filter((name) => name !== leading) as [string, string];
        await plan(leading, cluster.servers);
        await agents.find((agent) => agent.address === api(away))!.stop();
        // At once: Nomad itself takes half a minute to notice, and says that all is well until then.
        const settings = { nomad: { api: api(asking), token: "" } };
        const result = await cluster.run("let-go.py", asking, { ...settings, timeout: 2 });
        assert.equal(result.code, 1, result.output);
        assert.match(
            result.output,
            new RegExp(`Nomad server ${away} does not answer at ${address(away)}:4647`),
        );
        assert.equal(await cluster.turn(leading), undefined);

        // Its Nomad does not answer, but its Consul does: it can leave.
        await plan(leading, [leading, asking]);
        const leave = { do: "leave", units: [] };
        const went = await cluster.run("presence.py", away, { nomad: { api: api(away), token: "" } }, leave);
        assert.equal(went.code, 0, went.output);
        assert.equal((await cluster.turn(leading))?.phase, "leaving");
        const { Servers } = await ask<{ Servers: { ID: string; Node: string }[] }>(
            api(leading),
            "/v1/operator/raft/configuration",
        );
        const peer = Servers.find((each) => each.Node.startsWith(away))!;
        const removed = await fetch(`${api(leading)}/v1/operator/raft/peer?id=${peer.ID}`, {
            method: "DELETE",
        });
        assert.equal(removed.status, 200);
        // The other one leaves while Nomad has not noticed yet that the first is gone.
        const second = await cluster.run("presence.py", asking, settings, leave);
        assert.equal(second.code, 0, second.output);
        const left = await ask<{ Servers: { Node: string }[] }>(
            api(leading),
            "/v1/operator/raft/configuration",
        );
        assert.deepEqual(
            left.Servers.map((each) => each.Node),
            [`${leading}.global`],
        );
    });

    async function plan(via: string, servers: string[]): Promise<void> {
        const result = await cluster.run("plan.py", via, {}, { plan: { servers, clients: [] } });
        assert.equal(result.code, 0, result.output);
    }
});
