import * as assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { compare, complete, type Row } from "../../../snapshots/compare";
import { open } from "../../../snapshots/envelope";
import { etcd, startThrowaway } from "../../../snapshots/etcd";
import { PrivateFolder } from "../../../snapshots/private-folder";
import { restore } from "../../../snapshots/restore";
import type { Cluster } from "../../../snapshots/stack";
import { LocalStore } from "../../../snapshots/store";
import type { Inventory } from "../../../snapshots/system";
import { output } from "../../support/command";
import { eventually } from "../../support/poll";
import { EtcdMembers, password } from "./etcd-members";
import { sealingKey, SnapshotServer } from "./server";

const base64 = (text: string): string => Buffer.from(text).toString("base64");

/** More than etcd is asked for at once. */
const manyKeys = 1100;

describe("etcd's snapshots", function () {
    this.timeout("2m");

    const keys = mkdtempSync(join(tmpdir(), "gatehouse-sealing-"));
    let members: EtcdMembers;
    let servers: SnapshotServer[];
    let key: { certificate: string; keyFile: string };
    let folder: PrivateFolder;

    const serverOn = (place: number, { alone = false, secret = password, all = members } = {}) =>
        new SnapshotServer(
            all.nodes[place]!,
            {
                servers: alone ? [all.nodes[place]!] : all.nodes,
                sources: [all.source(secret)],
                keep: 24,
                recipientPem: key.certificate,
            },
            all.here,
        );
    const follower = async () => servers[((await members.leader()) + 1) % 3]!;
    /** The newest of a follower's, in plain text. */
    const taken = async () => {
        const server = await follower();
        const { code, output } = await server.take();
        assert.equal(code, 0, output);
        return open(etcd, server.snapshots.at(-1)!.file!, key.keyFile, folder);
    };
    const rehearse = (path: string): Promise<Inventory> =>
        etcd.rehearse(path, { environment: members.environment, folder });
    const running = (): Promise<Inventory> => etcd.running(members.environment);
    const rows = (restored: Inventory, now: Inventory, index: number): Record<string, Row> =>
        Object.fromEntries(
            compare(restored.items, now.items, index, restored.counts).map((row) => [row.kind, row]),
        );
    const ids = ({ items }: Inventory, kind: string): string[] =>
        items.filter((each) => each.kind === `etcd: ${kind}`).map(({ id }) => id);

    before("three members with users, roles and keys", async () => {
        key = await sealingKey(keys, "ours");
        members = await EtcdMembers.start("127.0.95", 3);
        const api = members.api(members.nodes[0]!.address);
        const put = (name: string, value: string, more: object = {}) => ({
            request_put: { key: base64(name), value: base64(value), ...more },
        });
        const { ID: lease } = await api.post<{ ID: string }>("/v3/lease/grant", { TTL: "600" });
        for (let first = 0; first < manyKeys; first += 100) {
            const success = Array.from({ length: 100 }, (_, place) =>
                put(`/many/${first + place}`, `${place}`),
            );
            await api.post("/v3/kv/txn", { success });
        }
        await api.post("/v3/kv/txn", {
            success: [
                put("/gatehouse/kept", "a value of the cluster"),
                put("/apps/webapp/webapp@1.service", "webapp-1 10.219.0.21:9000", { lease }),
                { request_put: { key: Buffer.from([0xff, 0x00]).toString("base64"), value: "/w==" } },
            ],
        });
        const perm = { permType: "READ", key: base64("/apps/"), range_end: base64("/apps0") };
        for (const [path, body] of [
            ["user/add", { name: "root", password }],
            ["user/grant", { user: "root", role: "root" }],
            ["role/add", { name: "balancer" }],
            ["role/grant", { name: "balancer", perm }],
            ["user/add", { name: "balancer", password: "another" }],
            ["user/grant", { user: "balancer", role: "balancer" }],
            ["enable", {}],
        ] as const) {
            await api.post(`/v3/auth/${path}`, body);
        }
        servers = members.nodes.map((_, place) => serverOn(place));
    });

    after(async () => {
        servers?.forEach((server) => server.forget());
        await members?.close();
        rmSync(keys, { recursive: true, force: true });
    });

    beforeEach(() => (folder = new PrivateFolder()));
    afterEach(() => folder.close());

    it("are kept by the members that do not lead, encrypted, with the revision in the name", async () => {
        const leader = await members.leader();
        for (const [place, server] of servers.entries()) {
            const { code, output } = await server.take();
            assert.equal(code, 0, output);
            assert.equal(server.snapshots.length, place === leader ? 0 : 1, output);
            const { sources } = await server.report();
            assert.equal(sources["etcd"]?.outcome, place === leader ? "left to the others" : "kept");
            assert.deepEqual(server.scratch, []);
        }
        const [snapshot] = (await follower()).snapshots;
        assert.equal(snapshot!.index, (await running()).counts!["revision"]);
        assert.ok(!readFileSync(snapshot!.file!).includes("a value of the cluster"));
    });

    it("are rehearsed with everything equal, and tell what came later", async () => {
        const { path, index } = await taken();
        const restored = await rehearse(path);
        assert.equal(ids(restored, "keys").length, manyKeys + 2);
        assert.deepEqual(ids(restored, "users"), ["balancer", "root"]);
        assert.deepEqual(ids(restored, "roles"), ["balancer"]);
        assert.deepEqual(ids(restored, "authentication"), ["enabled"]);
        const now = await running();
        assert.equal(etcd.stranger(restored, now, index), undefined);
        for (const row of Object.values(rows(restored, now, index))) {
            assert.deepEqual([row.equal, row.running], [row.inSnapshot, row.inSnapshot], row.kind);
        }

        await members.etcdctl("put", "/gatehouse/kept", "changed");
        await members.etcdctl("put", "/gatehouse/new", "made");
        await members.etcdctl("del", "/many/7");
        await members.etcdctl("role", "grant-permission", "balancer", "read", "/elsewhere");
        const later = await running();
        const after = rows(restored, later, index);
        const { equal, newer, removed } = after["etcd: keys"]!;
        assert.deepEqual([equal, newer, removed], [manyKeys, 2, 1]);
        assert.deepEqual([after["etcd: roles"]!.newer, after["etcd: users"]!.equal], [1, 2]);
        assert.ok(complete(Object.values(after)));
        // By counts that are not the snapshot's own, the same would be a loss.
        const wrong = compare(restored.items, later.items, Number.MAX_SAFE_INTEGER, restored.counts);
        assert.deepEqual(wrong.find(({ kind }) => kind === "etcd: keys")?.missing, ["/gatehouse/new"]);
        assert.ok(!complete(compare(restored.items, later.items, index, { auth: Number.MAX_SAFE_INTEGER })));
    });

    it("are rehearsed by make restore from a copy alone, and compared with the running etcd", async () => {
        const server = await follower();
        assert.equal((await server.take()).code, 0);
        const { name, file } = server.snapshots.at(-1)!;
        const cluster: Cluster = {
            stack: "unit-etcd",
            systems: ["etcd"],
            interval: 3600,
            keep: 24,
            keyPem: readFileSync(key.keyFile, "utf8"),
            servers: {},
            environment: members.environment,
        };
        const store = new LocalStore(cluster.stack);
        try {
            copyFileSync(file!, join(store.folder, name));
            const said: string[] = [];
            await restore(cluster, {}, (line) => said.push(line));
            assert.match(said.join("\n"), /^etcd: keys +\d+ +\d+ +\d+ +0 +0 +0 +0$/m);
            assert.match(said.at(-1) ?? "", /all that the running cluster knew .* is there after a restore/);
            const alone = { ...members.environment, ETCDCTL_ENDPOINTS: "https://127.0.95.99:2379" };
            said.length = 0;
            await restore({ ...cluster, environment: alone }, {}, (line) => said.push(line));
            assert.match(said.join("\n"), /warning: the running etcd cannot be asked: .*ECONNREFUSED/);
            assert.match(said.at(-1) ?? "", /could not be compared/);
        } finally {
            rmSync(store.folder, { recursive: true });
        }
    });

    it("show what they lack", async () => {
        const { path, index } = await taken();
        const doctored = await startThrowaway(path, { environment: members.environment, folder });
        await doctored.post("/v3/kv/deleterange", { key: base64("/gatehouse/kept") });
        await doctored.post("/v3/kv/put", { key: base64("/many/8"), value: base64("damaged") });
        await doctored.post("/v3/auth/user/delete", { name: "balancer" });
        const file = join(folder.path, "doctored");
        const { PATH } = process.env;
        await output("etcdctl", [`--endpoints=${doctored.base}`, "snapshot", "save", file], {
            env: { PATH, ETCDCTL_USER: "root", ETCDCTL_PASSWORD: password },
        });
        const found = rows(await rehearse(file), await running(), index);
        assert.deepEqual(found["etcd: keys"]!.missing, ["/gatehouse/kept"]);
        assert.deepEqual(found["etcd: keys"]!.different, ["/many/8"]);
        assert.deepEqual(found["etcd: users"]!.missing, ["balancer"]);
    });

    it("are rehearsed with a new token each time, which makes it another cluster", async () => {
        const { path } = await taken();
        const clusters = await Promise.all(
            [
                startThrowaway(path, { environment: members.environment, folder }),
                startThrowaway(path, { environment: members.environment, folder }),
                members.api(members.nodes[0]!.address),
            ].map(async (api) => {
                const status = await (
                    await api
                ).post<{ header: { cluster_id: string } }>("/v3/maintenance/status");
                return status.header.cluster_id;
            }),
        );
        assert.equal(new Set(clusters).size, 3, clusters.join());
    });

    it("are refused when cut short, changed, or something else, before etcd sees them", async () => {
        const { path } = await taken();
        const whole = readFileSync(path);
        const changed = Buffer.from(whole);
        const at = changed.indexOf("a value of the cluster");
        assert.ok(at > 0);
        changed[at]! ^= 1;
        const file = join(folder.path, "sealed.cms");
        for (const content of [whole.subarray(0, 9000), changed, Buffer.from("garbage"), Buffer.alloc(0)]) {
            const plain = folder.write("plain", content);
            await output("openssl", [
                ...["cms", "-encrypt", "-binary", "-aes-256-gcm", "-outform", "DER", "-in", plain],
                ...["-out", file, "-recip", join(keys, "ours.pem")],
            ]);
            assert.throws(
                () => open(etcd, file, key.keyFile, folder),
                /sealed\.cms is no snapshot that etcd takes: .*checksum/,
            );
            // Its own restore would not take it either.
            await assert.rejects(rehearse(plain), /etcd does not restore the snapshot: .*(hash|sha256|seek)/);
        }
    });

    it("are not taken for those of another etcd, which is behind them", async () => {
        const { index } = await taken();
        const other = await EtcdMembers.start("127.0.96", 1);
        const server = serverOn(0, { alone: true, all: other });
        try {
            // It has no users yet, so nobody has to say who he is.
            const inventory = await etcd.running(other.environment);
            assert.match(etcd.stranger(inventory, inventory, index) ?? "", /it is at revision 1, and/);
            const { code, output } = await server.take();
            assert.equal(code, 0, output);
            assert.match(output, /this is the only server, so it lies nowhere else/);
        } finally {
            server.forget();
            await other.close();
        }
    });

    it("know another password of root than the outputs, which is said at once", async () => {
        const { path } = await taken();
        const environment = { ...members.environment, ETCDCTL_PASSWORD: "battery staple" };
        await assert.rejects(
            etcd.rehearse(path, { environment, folder }),
            (error: Error & { remedy?: string }) =>
                /the throwaway etcd takes another password of root/.test(error.message) &&
                /make snapshot/.test(error.remedy ?? ""),
        );
    });

    it("fail visibly: with a wrong password, which is not said, and without a leader", async () => {
        const wrong = "battery staple";
        const server = serverOn(((await members.leader()) + 1) % 3, { secret: wrong });
        const fails = async (why: RegExp) => {
            const { code, output } = await server.take();
            assert.equal(code, 1, output);
            assert.match(output, why);
            assert.ok(!output.includes(wrong));
            return (await server.report()).sources["etcd"]?.failures;
        };
        try {
            const refused = /etcd: no snapshot: etcdctl snapshot save: Error: .*invalid user ID or password/;
            assert.deepEqual([await fails(refused), await fails(refused)], [1, 2]);
            const { name } = server.node;
            await Promise.all([...members.agents].map(([each, agent]) => each !== name && agent.stop()));
            // One that goes hands leadership over: the last member may take itself for the leader for a while.
            await eventually("there is no leader", () =>
                fails(/etcd: no snapshot: etcd has no leader; .*127\.0\.95/),
            );
        } finally {
            server.forget();
        }
    });
});
