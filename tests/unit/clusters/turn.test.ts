import * as assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { readinessCommand, withEnvironment } from "../../../components/clusters/readiness";
import { run, type CommandResult, type RunningCommand } from "../../support/command";
import { eventually } from "../../support/poll";
import { RollCluster } from "./roll-cluster";

interface Report {
    turn?: string;
    note?: string;
    handedOver?: string[];
    waited?: number;
}

function reportOf(result: CommandResult): Report {
    assert.equal(result.code, 0, result.output);
    return JSON.parse(result.stdout) as Report;
}

describe("the turn in a cluster of three servers", function () {
    this.timeout(120_000);
    let cluster: RollCluster;
    before(async () => {
        cluster = await RollCluster.start("127.42.1", 3);
    });
    after(() => cluster?.stop());
    beforeEach(async () => {
        cluster.servers.forEach((name) => cluster.remember(name, "member"));
        await cluster.afresh();
    });

    const roles = async (): Promise<{ leader: string; followers: string[] }> => {
        const leader = await cluster.leader();
        return { leader, followers: cluster.servers.filter((name) => name !== leader) };
    };

    it("goes to one after the other of three that ask at once, the leader last", async () => {
        const { leader, followers } = await roles();
        const done = new Map<string, Report>();
        const begin = (name: string): Promise<unknown> =>
            cluster.begin("let-go.py", name).done.then((result) => done.set(name, reportOf(result)));
        const all = [leader, ...followers].map(begin);
        const order: string[] = [];
        while (order.length < 3) {
            const [next] = await eventually("the next has its turn", async () => {
                const fresh = [...done.keys()].filter((name) => !order.includes(name));
                assert.ok(fresh.length > 0, `done: ${order.join(", ")}; waiting: ${await cluster.waiting()}`);
                return fresh;
            });
            order.push(next!);
            assert.equal((await cluster.turn())?.node, next);
            assert.equal((await cluster.turn())?.phase, "replacing");
            assert.equal(done.size, order.length, "nobody else has it meanwhile");
            assert.match((await cluster.run("gate.py", next!)).stdout, /"turn": "given back"/);
        }
        await Promise.all(all);
        assert.equal(order[2], leader);
        assert.deepEqual(done.get(leader)?.handedOver, ["consul"]);
        assert.notEqual(await cluster.leader(), leader);
        for (const name of followers) {
            assert.deepEqual(done.get(name)?.handedOver, []);
        }
        assert.deepEqual(await cluster.waiting(), []);
        assert.equal(await cluster.turn(), undefined);
    });

    it("is taken again at once by the node that has it from an interrupted update", async () => {
        const [name] = (await roles()).followers;
        reportOf(await cluster.run("let-go.py", name!));
        const again = reportOf(await cluster.run("let-go.py", name!));
        assert.ok(again.waited! < 3, JSON.stringify(again));
    });

    it("is taken over from a node that lives on untouched, and not before", async () => {
        const [left, next] = (await roles()).followers as [string, string];
        reportOf(await cluster.run("let-go.py", left));
        const report = reportOf(await cluster.run("let-go.py", next, { abandoned: 3 }));
        assert.ok(report.waited! >= 3 && report.waited! < 15, JSON.stringify(report));
        assert.equal((await cluster.turn())?.node, next);
        // The first one's gate comes too late to take the turn from the second.
        assert.doesNotMatch((await cluster.run("gate.py", left)).stdout, /given back/);
        assert.equal((await cluster.turn())?.node, next);
    });

    it("does not go to a node while another is at work, however long that takes", async () => {
        const [busy, next] = (await roles()).followers as [string, string];
        reportOf(await cluster.run("let-go.py", busy));
        const beat = (): Promise<unknown> =>
            cluster.ask("/v1/kv/gatehouse/turn", {
                method: "PUT",
                body: { node: busy, phase: "configuring", why: "to change", since: "now", beat: Date.now() },
            });
        const beats = setInterval(() => void beat().catch(() => undefined), 200);
        try {
            const waiting = cluster.begin("let-go.py", next, { abandoned: 5 });
            const entry = async (): Promise<number> => {
                const found = await cluster.ask<{ at: number } | undefined>(
                    `/v1/kv/gatehouse/waiting/${next}?raw`,
                );
                assert.ok(found, waiting.output());
                return found.at;
            };
            const first = await eventually("it waits", entry);
            await eventually("it still waits", async () => assert.ok((await entry()) - first > 10));
            assert.equal((await cluster.turn())?.node, busy);
            waiting.signal("SIGTERM");
            await waiting.done;
        } finally {
            clearInterval(beats);
        }
    });

    it("is refused with a name, a reason and a remedy when nothing moves", async () => {
        const [holder, next] = (await roles()).followers as [string, string];
        reportOf(await cluster.run("let-go.py", holder));
        const result = await cluster.run("let-go.py", next, { timeout: 1 });
        assert.equal(result.code, 1, result.output);
        assert.match(
            result.output,
            new RegExp(`${next} did not get its turn to be replaced: nothing has moved`),
        );
        assert.match(
            result.output,
            new RegExp(`${holder} has the turn since 20.*\\(to be replaced\\).*alive`),
        );
        assert.match(result.output, /consul kv delete gatehouse\/turn/);
        assert.doesNotMatch(result.output, new RegExp(`Traceback|${cluster.roll}`));
        assert.deepEqual(await cluster.waiting(), []);
    });

    it("is given up by whoever waits when the change fails on the node that has it", async () => {
        const [holder, next] = (await roles()).followers as [string, string];
        reportOf(await cluster.run("let-go.py", holder));
        const waiting = cluster.begin("let-go.py", next);
        await eventually("the other waits", async () => assert.deepEqual(await cluster.waiting(), [next]));
        const failed = { node: holder, phase: "failed", since: "now" };
        await cluster.ask("/v1/kv/gatehouse/turn", { method: "PUT", body: failed });
        const result = await waiting.done;
        assert.equal(result.code, 1, result.output);
        assert.match(
            result.output,
            new RegExp(`${next} is left as it is, because the change has failed on ${holder}`),
        );
        // The next update may go on.
        assert.equal(reportOf(await cluster.run("let-go.py", next)).turn, "taken");
    });

    it("is let go by a script whose update has gone away", async () => {
        const [holder, next] = (await roles()).followers as [string, string];
        reportOf(await cluster.run("let-go.py", holder));
        const [command, input] = cluster.script("let-go.py", next);
        const session = spawn("sh", ["-c", `${command}; true`], { stdio: ["pipe", "ignore", "ignore"] });
        session.stdin.end(input);
        await eventually("it waits", async () => assert.deepEqual(await cluster.waiting(), [next]));
        session.kill("SIGKILL");
        await eventually("it has stopped waiting", async () => assert.deepEqual(await cluster.waiting(), []));
    });

    it("does not wait long for the entry of one that was killed while it waited", async () => {
        const { leader, followers } = await roles();
        reportOf(await cluster.run("let-go.py", followers[0]!));
        const killed = cluster.begin("let-go.py", followers[1]!);
        await eventually("it waits", async () => assert.deepEqual(await cluster.waiting(), [followers[1]]));
        await killed.kill();
        await killed.done;
        assert.match((await cluster.run("gate.py", followers[0]!)).stdout, /given back/);
        const report = reportOf(await cluster.run("let-go.py", leader));
        assert.ok(report.waited! >= 8 && report.waited! < 30, JSON.stringify(report));
        assert.deepEqual(await cluster.waiting(), []);
    });

    it("is not needed by a machine that never was a member, and not asked for by an expendable one", async () => {
        const [name] = (await roles()).followers;
        cluster.remember(name!, "none");
        writeFileSync(join(cluster.state(name!), "member.json"), "{}");
        assert.match(reportOf(await cluster.run("let-go.py", name!)).turn!, /not needed/);
        cluster.remember(name!, "member");
        writeFileSync(join(cluster.state(name!), "expendable"), "");
        assert.match(reportOf(await cluster.run("let-go.py", name!)).turn!, /expendable/);
        assert.equal(await cluster.turn(), undefined);
    });
});

describe("a name that is alive in the cluster", function () {
    this.timeout(120_000);
    let cluster: RollCluster;
    before(async () => {
        cluster = await RollCluster.start("127.42.4", 3);
    });
    after(() => cluster?.stop());

    it("stays with the node that has it, whoever else calls himself so", async () => {
        const [name] = cluster.servers.slice(1);
        const known = async () => {
            const { Node: node } = await cluster.ask<{ Node: { ID: string; Address: string } }>(
                `/v1/catalog/node/${name}`,
            );
            return [node.ID, node.Address];
        };
        const before = await known();
        const { agent, api } = await cluster.twin(name!);
        try {
            await assert.rejects(
                cluster.ask("/v1/catalog/register", {
                    method: "PUT",
                    body: { Node: name, ID: randomUUID(), Address: new URL(api).hostname },
                }),
                new RegExp(`Node name ${name} is reserved by node ${before[0]}`),
            );
            assert.deepEqual(await known(), before);
            await cluster.healthy();
            assert.equal((await cluster.run("gate.py", name!)).code, 0);
        } finally {
            await agent.stop();
        }
    });
});

describe("a name whose machine was replaced before anybody missed it", function () {
    this.timeout(120_000);
    let cluster: RollCluster;
    before(async () => {
        cluster = await RollCluster.start("127.42.30", 3);
    });
    after(() => cluster?.stop());

    it("is its successor's in the catalogue when the gate opens", async () => {
        const name = cluster.servers[2]!;
        const known = async () =>
            (await cluster.ask<{ Node: { ID: string } }>(`/v1/catalog/node/${name}`)).Node.ID;
        const before = await known();
        await cluster.agent(name).stop();
        await cluster.join(name);
        const { code, output } = await cluster.run("gate.py", name);
        assert.equal(code, 0, output);
        const own = await cluster.ask<{ Config: { NodeID: string } }>("/v1/agent/self", { via: name });
        assert.equal(await known(), own.Config.NodeID);
        assert.notEqual(own.Config.NodeID, before);
    });
});

describe("the turn in a cluster that is not well", function () {
    this.timeout(120_000);
    let cluster: RollCluster;
    let leader: string;
    let away: string;
    let asking: string;
    before(async () => {
        cluster = await RollCluster.start("127.42.2", 3);
        leader = await cluster.leader();
        [away, asking] = cluster.servers.filter((name) => name !== leader) as [string, string];
    });
    after(() => cluster?.stop());

    const addressOf = (name: string) => new URL(cluster.api(name)).hostname.replaceAll(".", "\\.");

    it("goes to nobody while a server is away, and to a server whose own agent is away neither", async () => {
        const plan = { plan: { servers: cluster.servers, clients: [] } };
        assert.equal((await cluster.run("plan.py", leader, {}, plan)).code, 0);
        await cluster.agent(away).stop();
        await eventually("the others have noticed", async () => {
            for (const via of [leader, asking]) {
                const members = await cluster.ask<{ Name: string; Status: number }[]>("/v1/agent/members", {
                    via,
                });
                assert.notEqual(members.find((each) => each.Name === away)?.Status, 1, via);
            }
        });
        const result = await cluster.run("let-go.py", asking, { timeout: 2 });
        assert.equal(result.code, 1, result.output);
        assert.match(
            result.output,
            new RegExp(`Consul server ${away} is (failed|left) \\(last seen at ${addressOf(away)}\\)`),
        );
        assert.equal(await cluster.turn(leader), undefined);

        const alone = await cluster.run("let-go.py", away);
        assert.equal(alone.code, 1, alone.output);
        assert.match(alone.output, /nobody can say whether the cluster would do without it/);
        assert.match(alone.output, /touch .*\/expendable/);
        // A client keeps nothing that others need.
        assert.match(reportOf(await cluster.run("let-go.py", away, { role: "client" })).turn!, /not taken/);
    });

    it("names who does not answer, and where, when there is no leader to ask", async () => {
        // One of the three was stopped before.
        await cluster.agent(asking).stop();
        await eventually("the last one leads nobody", async () =>
            assert.equal(await cluster.ask<string>("/v1/status/leader", { via: leader }), ""),
        );
        const gate = await cluster.run("gate.py", leader, { timeout: 2 });
        assert.equal(gate.code, 1, gate.output);
        assert.match(
            gate.output,
            new RegExp(`Consul server ${asking} does not answer at ${addressOf(asking)}:8301 \\(.*refused`),
        );
        const { create, stdin } = readinessCommand("consul-ready.py", {
            api: cluster.api(leader),
            servers: [...cluster.servers, "server-9"],
            clients: [],
            timeout: 10,
        });
        const input = withEnvironment({ CONSUL_HTTP_TOKEN: cluster.management }, stdin);
        const ready = await run("sh", ["-c", create], { input });
        assert.equal(ready.code, 1, ready.output);
        assert.match(ready.output, /no leader has been elected/);
        assert.match(
            ready.output,
            new RegExp(`agent ${away} is (failed|left) \\(last seen at ${addressOf(away)}\\)`),
        );
        assert.match(ready.output, /agent server-9 is not a member: its machine does not run, /);
        assert.doesNotMatch(ready.output, new RegExp(`Traceback|agent ${leader}|${cluster.management}`));
    });
});

describe("the turn of a node that leaves for good", function () {
    this.timeout(120_000);
    let cluster: RollCluster;
    before(async () => {
        cluster = await RollCluster.start("127.42.3", 3);
    });
    after(() => cluster?.stop());

    const leave = (name: string): RunningCommand =>
        cluster.begin("presence.py", name, {}, { do: "leave", units: [] });

    it("is anybody's once the node has left, and the last server stays", async () => {
        const leader = await cluster.leader();
        const [first, second] = cluster.servers.filter((name) => name !== leader) as [string, string];
        // Both at once: one waits for the other.
        const results = await Promise.all([leave(first).done, leave(second).done]);
        results.forEach((result) => assert.equal(result.code, 0, result.output));
        // A server that leaves waits some seconds for that, and not for ever.
        await eventually("the others have no vote", async () => {
            const { Servers } = await cluster.ask<{ Servers: { Node: string }[] }>(
                "/v1/operator/raft/configuration",
                { via: leader },
            );
            assert.deepEqual(
                Servers.map((each) => each.Node),
                [leader],
            );
        });
        assert.equal((await cluster.turn(leader))?.phase, "leaving");
        for (const name of [first, second]) {
            assert.match(reportOf(await cluster.run("let-go.py", name)).turn!, /in no cluster/);
            assert.match((await leave(name).done).stdout, /was no member/);
        }
        const last = await leave(leader).done;
        assert.equal(last.code, 1, last.output);
        assert.match(last.output, /is the only server: it can go with the whole cluster only/);
    });
});

describe("the turn of the only server", function () {
    this.timeout(120_000);
    let cluster: RollCluster;
    before(async () => {
        cluster = await RollCluster.start("127.42.9", 1);
    });
    after(() => cluster?.stop());

    it("is refused, with what would be lost and what to do", async () => {
        const result = await cluster.run("let-go.py", "server-1", { company: 0 });
        assert.equal(result.code, 1, result.output);
        assert.match(result.output, /server-1 is the only server: the data of Consul would go/);
        assert.match(result.output, /gatehouse:servers\.count to 3.*touch .*\/expendable/);
        assert.equal(await cluster.turn(), undefined);
        assert.deepEqual(await cluster.waiting(), []);
    });

    it("is given when others have come to keep what it holds", async () => {
        await cluster.ask("/v1/kv/kept", { method: "PUT", body: "kept" });
        const waiting = cluster.begin("let-go.py", "server-1");
        await Promise.all(["server-2", "server-3"].map((name) => cluster.join(name)));
        assert.deepEqual(reportOf(await waiting.done).handedOver, ["consul"]);
        await cluster.agent("server-1").stop();
        const kept = await cluster.ask<string>("/v1/kv/kept?raw", { via: "server-2" });
        assert.equal(kept, "kept");
    });
});
