import * as assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { consulSnapshots } from "../../../components/clusters/snapshots";
import { consul } from "../../../snapshots/consul";
import { open } from "../../../snapshots/envelope";
import { PrivateFolder } from "../../../snapshots/private-folder";
import { output } from "../../support/command";
import { eventually } from "../../support/poll";
import { localOf, type Member, SecureConsul } from "../clusters/secure-consul";
import { sealingKey, SnapshotServer } from "./server";

describe("snapshots on servers", function () {
    this.timeout("2m");

    const folder = mkdtempSync(join(tmpdir(), "gatehouse-sealing-"));
    let cluster: SecureConsul;
    let members: Member[];
    let servers: SnapshotServer[];
    let key: { certificate: string; keyFile: string };

    const serverOn = (member: Member, { keep = 24, token = cluster.management, alone = false } = {}) =>
        new SnapshotServer(
            member.node,
            {
                servers: alone ? [member.node] : cluster.servers,
                sources: [consulSnapshots(token)],
                keep,
                recipientPem: key.certificate,
            },
            (text) => text.replaceAll("127.0.0.1", localOf(member.node)),
        );

    const leading = async (): Promise<number> => {
        const { json } = await members[0]!.ask("/v1/status/leader");
        return cluster.servers.findIndex(({ address }) => String(json).startsWith(`${address}:`));
    };

    before("three servers", async () => {
        key = await sealingKey(folder, "ours");
        cluster = await SecureConsul.create("127.0.77", 3, 0);
        members = await Promise.all(cluster.servers.map((node) => cluster.start(node)));
        servers = members.map((member) => serverOn(member));
        await eventually("the management token is known", async () =>
            assert.equal((await members[0]!.ask("/v1/acl/token/self")).status, 200),
        );
        await members[0]!.ask("/v1/kv/kept", { method: "PUT", body: "a value of the cluster" });
    });

    after(async () => {
        servers?.forEach((server) => server.forget());
        await Promise.all(members?.map((member) => member.stop()) ?? []);
        cluster?.close();
        rmSync(folder, { recursive: true, force: true });
    });

    it("are kept by followers, and left to them by the leader", async () => {
        const leader = await leading();
        for (const [place, server] of servers.entries()) {
            const { code, output } = await server.take();
            assert.equal(code, 0, output);
            assert.equal(server.snapshots.length, place === leader ? 0 : 1, output);
            const { sources } = await server.report();
            assert.equal(sources["consul"]?.outcome, place === leader ? "left to the others" : "kept");
            assert.match(
                output,
                place === leader ? /this server leads/ : /consul: kept \d{8}T\d{6}Z-consul-/,
            );
        }
    });

    it("are encrypted for the operators alone, and nobody else reads the files", async () => {
        const server = servers[((await leading()) + 1) % 3]!;
        const [snapshot] = server.snapshots;
        const sealed = readFileSync(snapshot!.file!);
        assert.equal(statSync(snapshot!.file!).mode & 0o777, 0o600);
        assert.deepEqual(server.scratch, []);
        const own = new PrivateFolder();
        try {
            const opened = open(consul, snapshot!.file!, key.keyFile, own);
            assert.equal(opened.index, snapshot!.index);
            assert.notDeepEqual(sealed.subarray(0, 2), readFileSync(opened.path).subarray(0, 2));
        } finally {
            own.close();
        }
    });

    it("are refused when cut short, changed, of another key, or something else", async () => {
        const [snapshot] = servers[((await leading()) + 1) % 3]!.snapshots;
        const sealed = readFileSync(snapshot!.file!);
        const changed = Buffer.from(sealed);
        changed[changed.length - 40]! ^= 1;
        const other = await sealingKey(folder, "theirs");
        const own = new PrivateFolder();
        const refused = (content: Buffer, keyFile: string, why: RegExp) => {
            const file = join(folder, "candidate.cms");
            writeFileSync(file, content);
            assert.throws(() => open(consul, file, keyFile, own), why);
        };
        const seal = async (text: string): Promise<Buffer> => {
            const [plain, file] = [join(folder, "plain"), join(folder, "sealed.cms")];
            writeFileSync(plain, text);
            await output("openssl", [
                ...["cms", "-encrypt", "-binary", "-aes-256-gcm", "-outform", "DER", "-in", plain],
                ...["-out", file, "-recip", join(folder, "ours.pem")],
            ]);
            return readFileSync(file);
        };
        try {
            refused(sealed.subarray(0, sealed.length / 2), key.keyFile, /is cut short/);
            refused(changed, key.keyFile, /another key than this stack's, or was changed/);
            refused(sealed, other.keyFile, /another key than this stack's/);
            refused(Buffer.from("no snapshot at all"), key.keyFile, /is no encrypted snapshot/);
            refused(await seal("half of something"), key.keyFile, /is no snapshot that consul takes/);
        } finally {
            own.close();
        }
    });

    it("are as many as are to be kept, the newest", async () => {
        const server = serverOn(members[0]!, { keep: 2, alone: true });
        try {
            for (const stamp of ["20200101T000000Z", "20200102T000000Z", "20200103T000000Z"]) {
                writeFileSync(join(server.folder, "kept", `${stamp}-consul-1-server-1.cms`), "old");
            }
            writeFileSync(join(server.folder, "kept", ".draft-left-behind"), "half");
            writeFileSync(
                join(server.folder, "kept", "20200101T000000Z-other-1-server-1.cms"),
                "another source's",
            );
            assert.equal((await server.take()).code, 0);
            const kept = server.snapshots
                .filter(({ source }) => source === "consul")
                .map(({ stamp }) => stamp);
            assert.equal(kept.length, 2);
            assert.equal(kept[0], "20200103T000000Z");
            assert.equal(server.snapshots.length, 3);
            assert.ok(!server.list().includes(".draft-left-behind"));
        } finally {
            server.forget();
        }
    });

    it("are kept by the only server, too, which says that they lie nowhere else", async () => {
        const server = serverOn(members[await leading()]!, { alone: true });
        try {
            const { code, output } = await server.take();
            assert.equal(code, 0, output);
            assert.match(output, /this is the only server, so it lies nowhere else/);
            assert.equal(server.snapshots.length, 1);
        } finally {
            server.forget();
        }
    });

    it("fail visibly, without the token in what is said, and count until one succeeds", async () => {
        const wrong = "11111111-2222-4333-8444-555555555555";
        // The one that leads: a follower that asks it on behalf of others may lose the reason with the connection.
        const member = members[await leading()]!;
        const server = serverOn(member, { token: wrong, alone: true });
        try {
            for (const times of [1, 2]) {
                const { code, output } = await server.take();
                assert.equal(code, 1, output);
                assert.match(output, /consul: no snapshot: consul snapshot save: .*ACL not found/s);
                assert.ok(!output.includes(wrong));
                const status = (await server.report()).sources["consul"]!;
                assert.equal(status.failures, times);
                assert.match(status.error ?? "", /ACL not found/);
            }
            server.put({
                node: member.node,
                servers: [member.node],
                sources: [consulSnapshots(cluster.management)],
                keep: 24,
                interval: 3600,
                recipientPem: key.certificate,
            });
            assert.equal((await server.take()).code, 0);
            const status = (await server.report()).sources["consul"]!;
            assert.deepEqual([status.outcome, status.failures, status.error], ["kept", 0, null]);
        } finally {
            server.forget();
        }
    });
});
