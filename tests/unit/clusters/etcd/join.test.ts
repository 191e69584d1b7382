import * as assert from "node:assert/strict";

import { etcdAccess, etcdAccessCommand } from "../../../../components/clusters/etcd/access";
import { run } from "../../../support/command";
import { eventually } from "../../../support/poll";
import { type EtcdMachine, SecureEtcd } from "./secure-etcd";

describe("members of an etcd cluster", function () {
    this.timeout(240_000);
    let cluster: SecureEtcd;
    let first: EtcdMachine, second: EtcdMachine, third: EtcdMachine;

    before(async () => {
        cluster = await SecureEtcd.create("127.0.60", 3);
        [first, second, third] = cluster.machines as [EtcdMachine, EtcdMachine, EtcdMachine];
        await cluster.found();
    });
    after(() => cluster?.close());

    const everybody = ["etcd-1", "etcd-2", "etcd-3"];
    const listed = (expected: string[]): Promise<void> =>
        eventually(`the members are ${expected.join()}`, async () =>
            assert.deepEqual(await cluster.list(), expected),
        );
    // It may have been the leader who was killed.
    const put = (value: string): Promise<void> =>
        eventually("a write is taken", async () => {
            const body = { key: btoa("/apps/test"), value: btoa(value) };
            const { status, text } = await cluster.ask("/v3/kv/put", body);
            assert.equal(status, 200, text);
        });
    const read = async ({ url }: EtcdMachine): Promise<string> => {
        const body = { key: btoa("/apps/test"), serializable: true };
        const { json, text } = await cluster.ask("/v3/kv/range", body, { url });
        assert.equal(json.kvs?.length, 1, text);
        return atob(json.kvs[0].value);
    };

    it("found their cluster together, and their seeds are gone", async () => {
        assert.deepEqual(await cluster.list(), everybody);
        for (const machine of cluster.machines) {
            await machine.healthy();
            assert.match(machine.configuration, /\ninitial-cluster-state: new\n/);
            assert.equal(machine.seeded, false);
        }
    });

    it("believe nobody without a client's certificate of the right authority", async () => {
        const stranger = await cluster.certificate("peers", "etcd-1", first.node.address);
        for (const pair of [null, stranger]) {
            await assert.rejects(cluster.ask("/v3/cluster/member/list", {}, { pair }), /alert|ECONNRESET/);
        }
        // The other way round: a machine's certificate makes no member.
        const url = first.url.replace("2379", "2380");
        const version = (pair?: typeof stranger) => cluster.ask("/version", {}, { method: "GET", url, pair });
        await assert.rejects(version(), /alert|ECONNRESET/);
        const peer = await version(stranger);
        assert.equal(peer.json.etcdserver, "3.5.21", peer.text);
    });

    it("start with their data, whether or not the others are there", async () => {
        await put("kept");
        await Promise.all(cluster.machines.map((machine) => machine.kill()));
        await Promise.all(cluster.machines.map((machine) => machine.up()));
        await eventually("it has played its log", async () => assert.equal(await read(third), "kept"));
        await listed(everybody);
    });

    it("that have lost their data join as learners and are promoted", async () => {
        await third.kill();
        third.lose();
        await put("while one was away");
        const prepared = await third.run("prepare");
        assert.match(
            prepared.output,
            /predecessor [0-9]+ is no member any more\n[^]*etcd-3 joins as a learner\n/,
        );
        assert.match(third.configuration, /\ninitial-cluster-state: existing\n/);
        await listed(["etcd-1", "etcd-2", "not started learner"]);
        third.start();
        const settled = await third.run("settle");
        assert.match(settled.output, /etcd-3 votes/);
        await listed(everybody);
        await third.healthy();
        assert.equal(await read(third), "while one was away");
    });

    it("that are killed between the steps come in all the same", async () => {
        // Between any two of: the old entry is gone, the learner is listed, etcd has begun, the learner votes.
        await second.kill();
        second.lose();
        for (const said of [/^/, /joins as a learner/]) {
            const preparing = second.program("prepare");
            await eventually("it has come that far", () => assert.match(preparing.output(), said));
            await preparing.kill();
        }
        assert.equal((await second.run("prepare")).code, 0);
        second.start();
        await eventually("etcd has begun", () => assert.match(second.log(), /raft/));
        await second.kill();
        assert.equal((await second.run("prepare")).code, 0);
        second.start();
        await eventually("it is a learner", async () =>
            assert.match((await second.run("healthy")).output, /etcd-2 is still a learner/),
        );
        await second.kill();
        await second.up();
        await second.healthy();
        await listed(everybody);
    });

    it("that the cluster has removed put their data aside and join anew", async () => {
        const { json } = await cluster.ask("/v3/cluster/member/list");
        const { ID } = json.members.find(({ name }: { name: string }) => name === "etcd-3");
        await third.kill();
        await eventually("it is removed", async () => {
            const { status, text } = await cluster.ask("/v3/cluster/member/remove", { ID });
            assert.equal(status, 200, text);
        });
        await eventually("it has heard of it", async () => {
            const { output } = await third.run("prepare");
            assert.match(output, /has removed etcd-3: its data are put aside\n[^]*joins as a learner/);
        });
        third.start();
        assert.equal((await third.run("settle")).code, 0);
        await listed(everybody);
    });

    it("join one at a time", async () => {
        const stranger = { peerURLs: ["https://127.0.60.99:2380"], isLearner: true };
        const added = await eventually("another learner is added", async () => {
            const answer = await cluster.ask("/v3/cluster/member/add", stranger);
            assert.equal(answer.status, 200, answer.text);
            return answer;
        });
        await third.kill();
        third.lose();
        const preparing = third.program("prepare");
        await eventually("it waits", () =>
            assert.match(preparing.output(), /is still a learner: the cluster takes one/),
        );
        const { ID } = added.json.member;
        await eventually("the other learner is removed", async () => {
            const { status, text } = await cluster.ask("/v3/cluster/member/remove", { ID });
            assert.equal(status, 200, text);
        });
        const { code, output } = await preparing.done;
        assert.equal(code, 0, output);
        third.start();
        assert.equal((await third.run("settle")).code, 0);
        await listed(everybody);
    });

    it("without data, seed and majority wait, say for whom, and give up with the remedy", async () => {
        await Promise.all([second.kill(), third.kill()]);
        third.lose();
        await third.configure({ patience: 4 });
        const { code, output } = await third.run("prepare");
        assert.equal(code, 1);
        assert.match(
            output,
            /^etcd-3 has no data, and no majority of its cluster answers; it waits for etcd-1 \(.*\), etcd-2 \(.*refused\)\n/,
        );
        assert.match(
            output,
            /still so after 4 s\. See whether etcd\.service runs on the other members.*make restore INTO=running/,
        );
        // The seed of another cluster is none.
        third.seed();
        await third.configure({ patience: 1, clusterToken: "another-one" });
        assert.equal((await third.run("prepare")).code, 1);
    });

    it("that lose their data come in by root's password when authentication is on", async () => {
        await second.up();
        third.lose();
        await third.configure();
        await third.up();
        await third.healthy();
        const { create, stdin } = etcdAccessCommand(
            etcdAccess({ rootPassword: cluster.rootPassword, rotation: 1, passwords: {} }),
            { etcd: { ...first.clientFiles, endpoints: [first.url] } },
        );
        const { code, output } = await run("sh", ["-c", create], { input: stdin });
        assert.equal(code, 0, output);
        const refused = await cluster.ask("/v3/cluster/member/remove", { ID: 1 });
        assert.match(refused.text, /user name is empty/);
        await third.kill();
        third.lose();
        await third.up();
        await third.healthy();
        await listed(everybody);
    });

    it("that is a founder and comes late is one all the same", async () => {
        const late = await SecureEtcd.create("127.0.61", 3);
        try {
            const [one, two, three] = late.machines as [EtcdMachine, EtcdMachine, EtcdMachine];
            await late.found([one, two]);
            await three.configure();
            three.seed();
            await three.up();
            assert.match(three.configuration, /\ninitial-cluster-state: new\n/);
            await three.healthy();
            assert.deepEqual(await late.list(), everybody);
            // Its seed is of no use any more.
            await three.kill();
            three.lose();
            three.seed();
            await three.up();
            assert.match(three.configuration, /\ninitial-cluster-state: existing\n/);
            await three.healthy();
        } finally {
            await late.close();
        }
    });
});
