import * as assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { nomadSnapshots } from "../../../components/clusters/snapshots";
import { Api } from "../../../snapshots/api";
import { compare, complete, type Item } from "../../../snapshots/compare";
import { open } from "../../../snapshots/envelope";
import { nomadInventory } from "../../../snapshots/inventory";
import { nomad as system } from "../../../snapshots/nomad";
import { PrivateFolder } from "../../../snapshots/private-folder";
import { eventually } from "../../support/poll";
import { job, NomadUnderTest } from "../clusters/nomad-secure-cluster";
import type { NomadMember } from "../clusters/nomad-secure-member";
import { sealingKey, SnapshotServer } from "./server";

describe("a rehearsed restore", function () {
    this.timeout("2m");

    const keys = mkdtempSync(join(tmpdir(), "gatehouse-sealing-"));
    let nomad: NomadUnderTest;
    let member: NomadMember;
    let running: Api;
    let server: SnapshotServer;
    let key: { certificate: string; keyFile: string };

    before("a Nomad server with a job and a variable", async () => {
        key = await sealingKey(keys, "ours");
        nomad = await NomadUnderTest.create("127.0.78", 1);
        member = await nomad.start(nomad.servers[0]!);
        assert.equal((await nomad.bootstrap(member)).code, 0);
        running = new Api("Nomad", member.api, {
            token: ["X-Nomad-Token", nomad.management],
            ca: nomad.ca.cert,
        });
        await running.put("/v1/jobs", job("kept"));
        await eventually("there is a key for variables", () =>
            running.put("/v1/var/kept/secret", { Items: { password: "correct horse" } }),
        );
        server = new SnapshotServer(
            member.node,
            {
                servers: nomad.servers,
                sources: [nomadSnapshots(nomad.management)],
                keep: 3,
                recipientPem: key.certificate,
            },
            (text) => member.here(text),
        );
    });

    after(async () => {
        server?.forget();
        await nomad?.close();
        rmSync(keys, { recursive: true, force: true });
    });

    it("has everything in one server, variables decrypted, and says what came later", async () => {
        const { code, output } = await server.take();
        assert.equal(code, 0, output);
        const folder = new PrivateFolder();
        try {
            const [snapshot] = server.snapshots;
            const opened = open(system, snapshot!.file!, key.keyFile, folder);
            const environment = { NOMAD_TOKEN: nomad.management };
            const { items: restored } = await system.rehearse(opened.path, {
                datacenter: "dc1",
                environment,
                folder,
            });
            const of = (kind: string): Item[] => restored.filter((each) => each.kind === `Nomad: ${kind}`);
            assert.deepEqual(
                of("variables, decrypted").map(({ id, content }) => [id, content]),
                [["default/kept/secret", { Items: { password: "correct horse" } }]],
            );
            assert.deepEqual(
                of("jobs").map(({ id }) => id),
                ["default/kept"],
            );
            assert.equal(of("keys of identities").length, 1);

            const rows = compare(restored, await nomadInventory(running), opened.index);
            assert.ok(complete(rows), JSON.stringify(rows, undefined, 2));
            await running.put("/v1/var/kept/secret", { Items: { password: "changed" } });
            await running.put("/v1/var/new", { Items: { a: "b" } });
            const later = compare(restored, await nomadInventory(running), opened.index);
            const row = later.find(({ kind }) => kind.includes("variables"))!;
            assert.deepEqual([row.running, row.equal, row.newer], [2, 0, 2]);
            assert.ok(complete(later));
            // By an index that is not the snapshot's own, the same would be a loss.
            assert.ok(!complete(compare(restored, await nomadInventory(running), Number.MAX_SAFE_INTEGER)));
        } finally {
            folder.close();
        }
        assert.ok(!existsSync(folder.path));
    });
});
