import * as assert from "node:assert/strict";

import { clients, lab, machines, servers } from "../../support/routed-lab";
import { eventually } from "../../support/poll";
import { MachineLog, Watch } from "../../support/routed-watch";
import type { NetworkLoadReport } from "../../support/network-load";

/** Every machine is replaced: all have another port for SSH, which a container cannot change while it lives. */
describe("routed lab: all machines are replaced under load", function () {
    this.timeout("30m");

    let old: Record<string, string>;
    let jobs: string[];
    let report: NetworkLoadReport;
    let story: string[];
    let watch: Watch;

    const jobVersions = (): Promise<string[]> =>
        Promise.all(
            ["helloworld", "demo-webapp", "countdash"].map(async (name) => {
                const { Version } = await lab.api<{ Version: number }>("nomad", `/v1/job/${name}`);
                return `${name} ${Version}`;
            }),
        );

    before("bring it up", () => lab.ensureUp());

    before("replace them", async () => {
        old = await lab.identities(machines);
        jobs = await jobVersions();
        const log = new MachineLog(lab, machines);
        watch = new Watch(lab, "server-2");
        try {
            const { ports } = lab.stack;
            report = await lab.underLoad(machines, () =>
                lab.change({ ports: { ...ports, ssh: Number(ports["ssh"]) + 300 } }),
            );
        } finally {
            await watch.stop();
            story = await log.stop();
        }
    });

    it("makes each of them anew", async () => {
        const now = await lab.identities(machines);
        for (const name of machines) {
            assert.notEqual(now[name]?.split(" ")[0], old[name]?.split(" ")[0], name);
        }
    });

    it("takes one at a time, and the leader after the other servers", () => {
        const order = story.filter((line) => line.startsWith("destroy ")).map((line) => line.split(" ")[1]!);
        assert.deepEqual([...order].sort(), [...machines].sort());
        assert.deepEqual(
            story,
            order.flatMap((name) => [`destroy ${name}`, `start ${name}`]),
        );
        // An election may make another one the leader on the way.
        const early = order.filter((name) => servers.includes(name)).slice(0, -1);
        assert.deepEqual(
            early.filter((name) => watch.ledBeforeItsTurn(name)),
            [],
            story.join(", "),
        );
        for (const name of servers) {
            const seen = watch.sights.some(({ turn }) => turn === name);
            assert.ok(seen, `the turn of ${name} was not seen`);
        }
    });

    it("never has two servers without a vote", () => {
        for (const api of ["consul", "nomad"] as const) {
            const sights = watch.sights.filter((each) => each.api === api);
            assert.ok(sights.length > 50, `${api} has answered ${sights.length} times only`);
            const few = sights.filter(({ voters }) => voters.length < 2);
            assert.deepEqual(few, [], api);
        }
    });

    it("answers every request that a balancer takes", () => {
        assert.ok(report.requests > 1000, `only ${report.requests} requests were made`);
        assert.equal(report.failed, 0, JSON.stringify(report));
        // Each of them was away for a while: what was asked of it meanwhile went elsewhere.
        assert.deepEqual(
            Object.keys(report.elsewhere).sort(),
            machines.map((name) => lab.address(name)).sort(),
        );
    });

    it("has every acknowledged write, although no disk is left of those that it was written to", async () => {
        const { consul, nomad, otherWay } = watch.written;
        assert.ok(consul.length > 50 && nomad.length > 50, `${consul.length} and ${nomad.length} writes`);
        assert.ok(otherWay > 0, "no write was acknowledged while the first server was away");
        await watch.nothingIsLost();
    });

    it("has all members back, and all jobs as they were", async () => {
        assert.deepEqual(await jobVersions(), jobs, "no job was registered anew");
        for (const api of ["consul", "nomad"] as const) {
            assert.deepEqual((await lab.raft(api)).voters, servers, api);
        }
        const members = await lab.members();
        assert.deepEqual(
            members,
            Object.fromEntries([...clients, ...servers].map((name) => [name, "alive"])),
        );
        const nodes = await lab.api<{ Name: string; Status: string; SchedulingEligibility: string }[]>(
            "nomad",
            "/v1/nodes",
        );
        assert.deepEqual(
            nodes.map((each) => `${each.Name} ${each.Status} ${each.SchedulingEligibility}`).sort(),
            clients.map((name) => `${name} ready eligible`),
            "and nobody beside them, such as those that were before",
        );
        for (const machine of machines) {
            await lab.reaches(machine, "helloworld");
        }
        await eventually(
            "the dashboard is back on its machine",
            async () => {
                const alive = await lab.api<{ ClientStatus: string }[]>(
                    "nomad",
                    "/v1/job/countdash/allocations",
                );
                assert.equal(alive.filter(({ ClientStatus }) => ClientStatus === "running").length, 2);
            },
            // A new machine pulls the images first.
            { within: 120 },
        );
    });

    it("plans nothing afterwards", () => lab.stack.previewsNothing());
});
