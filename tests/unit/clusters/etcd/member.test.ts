import * as assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

import { parse } from "yaml";

import { etcdMember, type EtcdMemberArgs, shortestLease } from "../../../../components/clusters/etcd/member";
import type { NodeFile } from "../../../../components/clusters/node-files";
import { run } from "../../../support/command";
import { eventually } from "../../../support/poll";
import { type EtcdMachine, SecureEtcd } from "./secure-etcd";

const mebibyte = 2 ** 20;

describe("what a member of etcd is told", function () {
    this.timeout(180_000);
    let cluster: SecureEtcd;
    let args: EtcdMemberArgs;
    before(async () => {
        cluster = await SecureEtcd.create("127.0.63", 3);
        args = await cluster.args(cluster.members[0]!);
    });
    after(() => cluster?.close());

    const files = (overrides: Partial<EtcdMemberArgs> = {}): Map<string, NodeFile> =>
        new Map(etcdMember({ ...args, ...overrides }).files.map((file) => [basename(file.path), file]));

    it("restarts it for what it reads at its start alone, and for nothing that the others are", () => {
        const changed = (overrides: Partial<EtcdMemberArgs>): [string, string | undefined][] => {
            const [before, after] = [files(), files(overrides)];
            return [...after]
                .filter(([name, { content }]) => content !== before.get(name)?.content)
                .map(([name, { unit }]) => [name, unit?.change]);
        };
        const fifth = [4, 5].map((each) => ({ name: `etcd-${each}`, address: `127.0.63.${10 + each}` }));
        assert.deepEqual(changed({ members: [...args.members, ...fifth] }), [["member.json", undefined]]);
        const renewed = { certPem: "new", keyPem: "new" };
        assert.deepEqual(changed({ certificates: { ...args.certificates, server: renewed } }), [
            ["server.pem", undefined],
            ["server-key.pem", undefined],
        ]);
        assert.deepEqual(changed({ quotaBytes: 16 * mebibyte }), [
            ["etcd.yaml", "restart"],
            ["member.json", undefined],
        ]);
        const two = { ...args.ca, peers: `${args.ca.peers}${args.ca.clients}` };
        assert.deepEqual(changed({ ca: two }), [["peer-ca.pem", "restart"]]);
    });

    it("is for root and etcd alone where it is secret, and root's password for root", () => {
        for (const [name, { content, mode, owner }] of files()) {
            if (content.includes("PRIVATE KEY")) {
                assert.deepEqual([mode, owner], ["0640", "root:etcd"], name);
            }
            if (content.includes(args.rootPassword)) {
                assert.deepEqual([name, mode, owner], ["root-password", "0600", "root:root"]);
            }
        }
        assert.ok(files().get("root-password")!.content.includes(args.rootPassword));
    });

    it("asks everybody for a certificate, and says nothing about who is there", () => {
        const settings = parse(files().get("etcd.yaml")!.content) as Record<string, unknown>;
        for (const transport of ["client-transport-security", "peer-transport-security"]) {
            assert.equal((settings[transport] as Record<string, unknown>)["client-cert-auth"], true);
        }
        assert.equal(settings["strict-reconfig-check"], true);
        assert.equal(settings["initial-cluster"], undefined);
        assert.equal(settings["quota-backend-bytes"], 2048 * mebibyte);
        assert.equal(settings["auto-compaction-retention"], "1h");
    });

    it("has units that systemd understands", async function () {
        if ((await run("systemd-analyze", ["--version"]).catch(() => ({ code: 1 }))).code !== 0) {
            this.skip();
        }
        const folder = mkdtempSync(join(tmpdir(), "gatehouse-units-"));
        try {
            const units = [...files()].filter(([, { path }]) => path.startsWith("/etc/systemd"));
            for (const [name, { content }] of units) {
                // The programs are not on this computer.
                const text = content.replace(/^(Exec\w+=\+?).*$/gm, "$1/bin/true");
                writeFileSync(join(folder, name), text);
            }
            writeFileSync(join(folder, "gatehouse.target"), "[Unit]\nDescription=test\n");
            const paths = units.map(([name]) => join(folder, name));
            const { code, output } = await run("systemd-analyze", ["verify", "--man=no", ...paths]);
            assert.equal(code, 0, output);
            assert.doesNotMatch(output, /etcd/);
        } finally {
            rmSync(folder, { recursive: true });
        }
    });

    it("is refused as a whole, with each reason and without a secret", () => {
        const [first, second] = args.members;
        const wrong: Partial<EtcdMemberArgs> = {
            members: [first!, { ...second!, address: first!.address }],
            node: { name: "web-1", address: "127.0.63.21" },
            clusterToken: "etcd",
            ca: { clients: "", peers: "" },
            rootPassword: "short",
            compaction: "1 hour",
            quotaBytes: 9 * 1024 * mebibyte,
        };
        assert.throws(
            () => files(wrong),
            ({ message }: Error) => {
                for (const reason of [
                    /members: must be 1, 3 or 5 members, but are 2: an even number survives no more/,
                    /members: 127\.0\.63\.11 is the address of two of them/,
                    /node: must be one of the members/,
                    /clusterToken: must be at least 8/,
                    /ca\.clients: is no certificate in PEM/,
                    /ca: must be two authorities/,
                    /rootPassword: must have at least 12/,
                    /compaction: must be like 1h or 30m, but is 1 hour/,
                    /quotaBytes: must be whole bytes from 16 MiB to 8 GiB \(8589934592\), but is 9663676416/,
                ]) {
                    assert.match(message, reason);
                }
                assert.doesNotMatch(message, /short/);
                return true;
            },
        );
        for (const members of [
            [],
            Array.from({ length: 7 }, (_, at) => ({ ...first!, name: `etcd-${at}` })),
        ]) {
            assert.throws(() => files({ members }), /members: must be 1, 3 or 5 members, but are [07]:/);
        }
    });

    describe("and etcd does", () => {
        let alone: SecureEtcd;
        let member: EtcdMachine;
        before(async () => {
            alone = await SecureEtcd.create("127.0.64", 1);
            member = alone.machines[0]!;
            await member.configure({ quotaBytes: 16 * mebibyte });
            member.seed();
            await member.up();
            await member.healthy();
        });
        after(() => alone?.close());

        const put = (value: string) =>
            alone.ask("/v3/kv/put", { key: btoa("/apps/large"), value: btoa(value) });

        it("make no lease shorter than is said, and metrics for the machine alone", async () => {
            const { json } = await alone.ask("/v3/lease/grant", { TTL: 1 });
            assert.equal(Number(json.TTL), shortestLease);
            const metrics = member.here("http://127.0.0.1:2381/metrics");
            assert.match(await (await fetch(metrics)).text(), /^etcd_server_has_leader 1$/m);
            await assert.rejects(fetch(metrics.replace("127.0.64.111", "127.0.64.11")));
        });

        it("show that its store fills, that it is full, and that it is well again", async () => {
            assert.equal((await member.run("alarms")).code, 0);
            const large = "x".repeat(mebibyte);
            const fill = async (until: RegExp): Promise<string> =>
                eventually(
                    "the alarm shows",
                    async () => {
                        await put(large);
                        const { code, output } = await member.run("alarms");
                        assert.equal(code, 1, output);
                        assert.match(output, until);
                        return output;
                    },
                    { within: 60, every: 10 },
                );
            assert.match(await fill(/nearly full/), /the store is nearly full \(1\d MiB of 16 MiB, of which/);
            const said = await fill(/alarm: /);
            assert.match(said, /takes no more writes \(1\d MiB of 16 MiB.*compact REVISION.*defrag.*disarm/);
            assert.match((await put("small")).text, /database space exceeded/);
            // It is no fault of a change that is being made.
            await member.healthy();

            const status = await member.etcdctl(["endpoint", "status", "-w", "json"]);
            const { revision } = JSON.parse(status.stdout)[0].Status.header as { revision: number };
            for (const step of [["compact", String(revision)], ["defrag"], ["alarm", "disarm"]]) {
                const { code, output } = await member.etcdctl(step);
                assert.equal(code, 0, output);
            }
            assert.equal((await put("small")).status, 200);
            assert.deepEqual((await member.run("alarms")).output, "");
        });

        it("say why it is not healthy", async () => {
            await member.kill();
            const { code, output } = await member.run("healthy");
            assert.equal(code, 1);
            assert.match(output, /^etcd-1 does not answer: .*refused/);
        });
    });
});
