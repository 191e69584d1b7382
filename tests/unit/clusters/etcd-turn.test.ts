import * as assert from "node:assert/strict";

import type { CommandResult, RunningCommand } from "../../support/command";
import { eventually } from "../../support/poll";
import { EtcdRollCluster } from "./roll-etcd";

interface Report {
    turn?: string;
    handedOver?: string[];
    waited?: number;
}

function reportOf(result: CommandResult): Report {
    assert.equal(result.code, 0, result.output);
    return JSON.parse(result.stdout) as Report;
}

describe("the turn in an etcd cluster of three members", function () {
    this.timeout(180_000);
    let cluster: EtcdRollCluster;
    before(async () => {
        cluster = await EtcdRollCluster.start("127.43.1", 3);
    });
    after(() => cluster?.stop());
    beforeEach(() => cluster.afresh());

    const roles = async (): Promise<{ leader: string; followers: [string, string] }> => {
        const leader = await cluster.leader();
        return { leader, followers: cluster.servers.filter((name) => name !== leader) as [string, string] };
    };

    it("goes to one after the other of three that ask at once, the leader last", async () => {
        const { leader, followers } = await roles();
        const done = new Map<string, Report>();
        const all = [leader, ...followers].map((name) =>
            cluster.begin("let-go.py", name).done.then((result) => done.set(name, reportOf(result))),
        );
        const order: string[] = [];
        while (order.length < 3) {
            const next = await eventually("the next has its turn", async () => {
                const fresh = [...done.keys()].filter((name) => !order.includes(name));
                assert.ok(fresh.length > 0, `done: ${order.join(", ")}; waiting: ${await cluster.waiting()}`);
                return fresh[0]!;
            });
            order.push(next);
            const { node, phase } = (await cluster.turn())!;
            assert.deepEqual([node, phase], [next, "replacing"]);
            assert.equal(done.size, order.length, "nobody else has it meanwhile");
            assert.match((await cluster.run("gate.py", next)).stdout, /"turn": "given back"/);
        }
        await Promise.all(all);
        assert.equal(order[2], leader);
        assert.deepEqual(done.get(leader)?.handedOver, ["etcd"]);
        assert.notEqual(await cluster.leader(), leader);
        followers.forEach((name) => assert.deepEqual(done.get(name)?.handedOver, []));
        assert.deepEqual(await cluster.waiting(), []);
        assert.equal(await cluster.turn(), undefined);
    });

    it("is taken again at once by the member that has it from an interrupted update", async () => {
        const [name] = (await roles()).followers;
        reportOf(await cluster.run("let-go.py", name));
        const again = reportOf(await cluster.run("let-go.py", name));
        assert.ok(again.waited! < 3, JSON.stringify(again));
    });

    it("is taken over from a member that lives on untouched, and not before", async () => {
        const [left, next] = (await roles()).followers;
        reportOf(await cluster.run("let-go.py", left));
        const refused = await cluster.run("let-go.py", next, { timeout: 1 });
        assert.equal(refused.code, 1, refused.output);
        assert.match(
            refused.output,
            new RegExp(`${next} did not get its turn to be replaced: nothing has moved for 1 s`),
        );
        assert.match(refused.output, new RegExp(`${left} has the turn since 20.*its machine is alive`));
        assert.match(refused.output, /etcdctl del \/gatehouse\/turn/);
        const report = reportOf(await cluster.run("let-go.py", next, { abandoned: 2 }));
        assert.ok(report.waited! >= 2 && report.waited! < 10, JSON.stringify(report));
        // The first one's gate comes too late to take the turn from the second.
        assert.doesNotMatch((await cluster.run("gate.py", left)).stdout, /given back/);
        assert.equal((await cluster.turn())?.node, next);
    });

    it("is given up by whoever waits when the change fails on the member that has it", async () => {
        const [holder, next] = (await roles()).followers;
        reportOf(await cluster.run("let-go.py", holder));
        const waiting = cluster.begin("let-go.py", next);
        await eventually("the other waits", async () => assert.deepEqual(await cluster.waiting(), [next]));
        await cluster.put("/gatehouse/turn", { node: holder, phase: "failed", since: "now" });
        const result = await waiting.done;
        assert.equal(result.code, 1, result.output);
        assert.match(
            result.output,
            new RegExp(`${next} is left as it is, because the change has failed on ${holder}`),
        );
    });

    it("is a client's until its gate, however long its machine is away", async () => {
        cluster.remember("web-1", "member");
        cluster.remember("web-2", "member");
        assert.equal((await cluster.plan(cluster.servers, ["web-1", "web-2"])).code, 0);
        assert.equal(reportOf(await cluster.run("let-go.py", "web-1")).turn, "taken");
        const refused = await cluster.run("let-go.py", "web-2", { timeout: 2, abandoned: 1 });
        assert.equal(refused.code, 1, refused.output);
        assert.match(refused.output, /web-1 has the turn since 20.*its machine is away/);
        const waiting = cluster.begin("let-go.py", "web-2");
        await eventually("the other waits", async () => assert.deepEqual(await cluster.waiting(), ["web-2"]));
        assert.match((await cluster.run("gate.py", "web-1")).stdout, /"turn": "given back"/);
        reportOf(await waiting.done);
        assert.equal((await cluster.turn())?.node, "web-2");
        // A machine that the program no longer has does not come back.
        assert.equal((await cluster.plan(cluster.servers, ["web-1"])).code, 0);
        reportOf(await cluster.run("let-go.py", "web-1"));
    });

    it("is taken over from a client whose script was killed at work", async () => {
        assert.equal((await cluster.plan(cluster.servers, ["web-1"])).code, 0);
        await cluster.put("/gatehouse/turn", { node: "web-1", role: "client", phase: "configuring" });
        const [name] = (await roles()).followers;
        const report = reportOf(await cluster.run("let-go.py", name, { abandoned: 2 }));
        assert.ok(report.waited! >= 2 && report.waited! < 10, JSON.stringify(report));
    });

    it("goes to nobody while an alarm is on", async () => {
        const [name] = (await roles()).followers;
        const { ID: memberID } = (await cluster.members())[0]!;
        const alarm = { memberID, alarm: "NOSPACE" };
        await cluster.ask("maintenance/alarm", { ...alarm, action: "ACTIVATE" });
        const refused = await cluster.run("let-go.py", name, { timeout: 1 });
        await cluster.ask("maintenance/alarm", { ...alarm, action: "DEACTIVATE" });
        assert.equal(refused.code, 1, refused.output);
        assert.match(refused.output, /etcd member etcd-\d reports: memberID:\d+ alarm:NOSPACE/);
        reportOf(await cluster.run("let-go.py", name));
    });

    it("goes to nobody but itself while a member is away, and is its successor's until that votes", async () => {
        const { leader, followers } = await roles();
        const [away, asking] = followers;
        await cluster.put("/gatehouse/plan", { servers: cluster.servers, clients: [] });
        await cluster.agent(away).stop();
        const address = cluster.api(away).replaceAll(".", "\\.");
        const refused = await cluster.run("let-go.py", asking, { timeout: 1 });
        assert.equal(refused.code, 1, refused.output);
        assert.match(
            refused.output,
            new RegExp(`etcd member ${away} does not answer at ${address} \\(.*refused`),
        );
        assert.doesNotMatch(refused.output, /Traceback/);
        assert.deepEqual(await cluster.waiting(leader), []);

        reportOf(await cluster.run("let-go.py", away));
        await cluster.join(away, leader);
        const learner = await cluster.run("gate.py", away, { timeout: 1 });
        assert.equal(learner.code, 1, learner.output);
        assert.match(learner.output, new RegExp(`etcd member ${away} does not vote yet`));
        // The gate's failure is for those who have waited.
        assert.equal((await cluster.turn(leader))?.phase, "failed");
        await cluster.promote(away, leader);
        assert.match((await cluster.run("gate.py", away)).stdout, /"turn": "given back"/);
        assert.equal(await cluster.turn(leader), undefined);
    });

    it("says who does not answer when there is no majority", async () => {
        const { leader, followers } = await roles();
        await Promise.all(followers.map((name) => cluster.agent(name).stop()));
        const result = await cluster.run("gate.py", leader, { timeout: 1 });
        assert.equal(result.code, 1, result.output);
        followers.forEach((name) =>
            assert.match(result.output, new RegExp(`etcd member ${name} does not answer at http`)),
        );
        assert.doesNotMatch(result.output, /Traceback/);
        await cluster.agent(leader).stop();
        const silent = await cluster.run("let-go.py", leader);
        assert.equal(silent.code, 1, silent.output);
        assert.match(silent.output, /No member of etcd answers etcd-\d \(http.*touch .*\/expendable/);
    });
});

describe("the turn of a member that leaves etcd for good", function () {
    this.timeout(120_000);
    let cluster: EtcdRollCluster;
    before(async () => {
        cluster = await EtcdRollCluster.start("127.43.2", 3);
    });
    after(() => cluster?.stop());

    const leave = (name: string): RunningCommand =>
        cluster.begin("presence.py", name, {}, { do: "leave", units: [] });

    it("is anybody's once it has left, and the last member stays", async () => {
        const leader = await cluster.leader();
        const [first, second] = cluster.servers.filter((name) => name !== leader) as [string, string];
        // Both at once: one waits for the other.
        const results = await Promise.all([leave(first).done, leave(second).done]);
        results.forEach((result) => assert.equal(result.code, 0, result.output));
        assert.deepEqual(
            (await cluster.members(leader)).map(({ name }) => name),
            [leader],
        );
        assert.equal((await cluster.turn(leader))?.phase, "leaving");
        assert.match(reportOf(await cluster.run("let-go.py", first)).turn!, /in no cluster/);
        const last = await leave(leader).done;
        assert.equal(last.code, 1, last.output);
        assert.match(last.output, /is the only server: it can go with the whole cluster only/);
        const replaced = await cluster.run("let-go.py", leader, { company: 0 });
        assert.equal(replaced.code, 1, replaced.output);
        assert.match(replaced.output, /is the only server: the data of etcd would go.*touch .*\/expendable/);
    });
});
