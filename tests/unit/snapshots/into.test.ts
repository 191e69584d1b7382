import * as assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { consulSnapshots, nomadSnapshots } from "../../../components/clusters/snapshots";
import { Api } from "../../../snapshots/api";
import { consul as consulSystem, restoreIntoConsul } from "../../../snapshots/consul";
import { open } from "../../../snapshots/envelope";
import { nomad as nomadSystem, restoreIntoNomad } from "../../../snapshots/nomad";
import { PrivateFolder } from "../../../snapshots/private-folder";
import type { System } from "../../../snapshots/system";
import { eventually } from "../../support/poll";
import { NomadUnderTest } from "../clusters/nomad-secure-cluster";
import { localOf, type Member, SecureConsul } from "../clusters/secure-consul";
import { sealingKey, SnapshotServer } from "./server";

describe("a cluster that has lost its data", function () {
    this.timeout("3m");

    const keys = mkdtempSync(join(tmpdir(), "gatehouse-sealing-"));
    const folder = new PrivateFolder();
    const kept: SnapshotServer[] = [];
    let consul: SecureConsul;
    let nomad: NomadUnderTest;
    let members: Member[] = [];

    before(async () => {
        consul = await SecureConsul.create("127.0.79", 1, 0);
        nomad = await NomadUnderTest.create("127.0.80", 1);
    });

    after(async () => {
        kept.forEach((server) => server.forget());
        await Promise.all(members.map((member) => member.stop()));
        consul?.close();
        await nomad?.close();
        folder.close();
        rmSync(keys, { recursive: true, force: true });
    });

    const startConsul = async (): Promise<Api> => {
        members = await Promise.all(consul.servers.map((node) => consul.start(node)));
        const api = new Api("Consul", members[0]!.api, { token: ["X-Consul-Token", consul.management] });
        await eventually("the management token is known", () => api.get("/v1/acl/token/self"));
        return api;
    };
    const startNomad = async () => {
        const member = await nomad.start(nomad.servers[0]!);
        assert.equal((await nomad.bootstrap(member)).code, 0);
        const api = new Api("Nomad", member.api, {
            token: ["X-Nomad-Token", nomad.management],
            ca: nomad.ca.cert,
        });
        return { member, api };
    };
    const ids = async (api: Api): Promise<Record<string, string>> =>
        Object.fromEntries(
            (await api.list<{ Node: string; ID: string }>("/v1/catalog/nodes")).map(({ Node, ID }) => [
                Node,
                ID,
            ]),
        );
    const complete = (api: Api) =>
        eventually("the server is in the catalogue", async () =>
            assert.equal(Object.keys(await ids(api)).length, 1),
        );

    it("gets it back on new machines with the old names, which may register", async () => {
        const key = await sealingKey(keys, "ours");
        const snapshotOf = async (server: SnapshotServer, system: System): Promise<string> => {
            kept.push(server);
            const { code, output } = await server.take();
            assert.equal(code, 0, output);
            return open(system, server.snapshots[0]!.file!, key.keyFile, folder).path;
        };
        const common = { keep: 1, recipientPem: key.certificate };

        const firstConsul = await startConsul();
        await firstConsul.put("/v1/kv/kept", Buffer.from("from before"));
        await complete(firstConsul);
        const former = await ids(firstConsul);
        const [first] = members as [Member];
        const consulServer = new SnapshotServer(
            first.node,
            { ...common, servers: [first.node], sources: [consulSnapshots(consul.management)] },
            (text) => text.replaceAll("127.0.0.1", localOf(first.node)),
        );
        const firstNomad = await startNomad();
        await eventually("there is a key for variables", () =>
            firstNomad.api.put("/v1/var/kept", { Items: { from: "before" } }),
        );
        const nomadServer = new SnapshotServer(
            firstNomad.member.node,
            { ...common, servers: nomad.servers, sources: [nomadSnapshots(nomad.management)] },
            (text) => firstNomad.member.here(text),
        );
        const paths = {
            consul: await snapshotOf(consulServer, consulSystem),
            nomad: await snapshotOf(nomadServer, nomadSystem),
        };
        await Promise.all(members.map((member) => member.stop()));
        await firstNomad.member.end("SIGKILL");

        const second = { consul: await startConsul(), nomad: (await startNomad()).api };
        await complete(second.consul);
        const present = await ids(second.consul);
        assert.notDeepEqual(present, former);
        assert.equal(await second.consul.get("/v1/kv/kept"), undefined);
        const said: string[] = [];
        const say = (line: string) => said.push(line);
        await restoreIntoConsul(second.consul, paths.consul, say);
        await restoreIntoNomad(second.nomad, paths.nomad, say);

        const [{ Value } = { Value: "" }] = await second.consul.list<{ Value: string }>("/v1/kv/kept");
        assert.equal(Buffer.from(Value, "base64").toString(), "from before");
        // The server reads its keys anew before it can read what they encrypt.
        await eventually("the variable can be read", async () => {
            const variable = await second.nomad.get<{ Items: object }>("/v1/var/kept");
            assert.deepEqual(variable?.Items, { from: "before" });
        });
        assert.equal(
            said.filter((line) => /has forgotten the machine that was server-\d before/.test(line)).length,
            1,
        );
        // What the agent does when it next compares itself with the catalogue, within a minute or two.
        const [[Node, ID] = []] = Object.entries(present);
        await second.consul.put("/v1/catalog/register", { Node, ID, Address: consul.servers[0]!.address });
        assert.deepEqual(await ids(second.consul), present);
    });
});
