import * as assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { Resolver } from "node:dns/promises";
import { join } from "node:path";

import { secureConsul } from "../../../components/clusters/consul-configuration";
import { gossipKeyrings } from "../../../components/clusters/gossip";
import { eventually } from "../../support/poll";
import type { Identity } from "../plugins/tls/pki";
import {
    ask,
    authority,
    localOf,
    type Member,
    overSsh,
    type SecureConsul,
    WholeConsul,
} from "./secure-consul";
import { rpcHandshake } from "./secure-probes";

describe("changes of an encrypted Consul cluster", function () {
    this.timeout(180_000);
    let whole: WholeConsul;
    let cluster: SecureConsul;
    let servers: Member[];
    let client: Member;

    before(async () => {
        whole = await WholeConsul.start("127.0.45");
        ({ cluster, servers, client } = whole);
    });
    after(() => whole?.stop());

    const startedAt = async (member: Member): Promise<string> =>
        /^.*Starting Consul agent.*$/m.exec(member.log().split("\n").reverse().join("\n"))?.[0] ?? "";

    describe("secrets", () => {
        it("takes a new certificate by a reload", async () => {
            const [server] = servers as [Member];
            const { certPem: cert, keyPem: key } = await cluster.certificate(server.node);
            const before = await rpcHandshake(server.node.address, { cert, key });
            const configuration = secureConsul(await cluster.args(server.node));
            const changed = configuration.files.filter(({ path }) => path.includes("/tls/"));
            assert.ok(changed.every(({ unit }) => unit?.change === "reload"));
            server.put({ files: changed });
            assert.equal((await server.ask("/v1/agent/reload", { method: "PUT" })).status, 200);
            const later = await rpcHandshake(server.node.address, { cert, key });
            assert.equal(later.refused, undefined);
            assert.notEqual(later.serial, before.serial);
        });
        it("takes another authority in three steps, each by reloads, one agent after the other", async () => {
            const [former, next] = [cluster.ca, await authority(cluster.pki)];
            const steps = [
                { trusted: [former, next], signing: former },
                { trusted: [next, former], signing: next },
                { trusted: [next], signing: next },
            ];
            for (const { trusted, signing } of steps) {
                for (const member of [...servers, client]) {
                    const server = member !== client;
                    const { files } = secureConsul(
                        await cluster.args(member.node, {
                            caPem: trusted.map(({ cert }) => cert).join(""),
                            ...(server && {
                                certificate: await cluster.certificate(member.node, { ca: signing }),
                            }),
                        }),
                    );
                    const changed = files.filter(({ path }) => path.includes("/tls/"));
                    assert.ok(changed.every(({ unit }) => unit?.change === "reload"));
                    member.put({ files: changed });
                    assert.equal((await member.ask("/v1/agent/reload", { method: "PUT" })).status, 200);
                    // A write goes to the leader, by a connection that may be new.
                    const written = await client.ask("/v1/kv/authority", {
                        method: "PUT",
                        body: member.node,
                    });
                    assert.equal(written.text, "true");
                }
                // A client that starts anew has a certificate signed by a server that it believes.
                await client.restart();
                await eventually("the client is back", async () =>
                    assert.equal((await client.ask("/v1/kv/authority")).status, 200),
                );
            }
            const { address } = servers[1]!.node;
            const shown = async (ca: Identity) => {
                const { certPem: cert, keyPem: key } = await cluster.certificate(servers[0]!.node, { ca });
                return (await rpcHandshake(address, { cert, key })).refused;
            };
            assert.equal(await shown(next), undefined);
            assert.notEqual(await shown(former), undefined, "the former authority is believed no more");
            cluster.ca = next;
        });
        it("takes new tokens by a reload", async () => {
            const resolver = new Resolver();
            resolver.setServers([`${localOf(client.node)}:8600`]);
            const withDns = async (dns: string): Promise<void> => {
                const { files } = secureConsul(
                    await cluster.args(client.node, { tokens: { agent: cluster.agents["client-1"]!, dns } }),
                );
                const tokens = files.filter(({ path }) => path.endsWith("tokens.json"));
                assert.equal(tokens[0]!.unit?.change, "reload");
                client.put({ files: tokens });
                assert.equal((await client.ask("/v1/agent/reload", { method: "PUT" })).status, 200);
            };
            await withDns(randomUUID());
            await assert.rejects(resolver.resolve4("server-2.node.consul"));
            await withDns(cluster.dns);
            assert.deepEqual(await resolver.resolve4("server-2.node.consul"), ["127.0.45.12"]);
        });
        const keyrings = (key: string, { api, folder }: Member, timeout?: number) =>
            overSsh(
                gossipKeyrings(
                    { consul: { key, management: [cluster.management] } },
                    { consul: { api, keyring: join(folder, "data/serf/local.keyring") }, timeout },
                ),
            );
        it("changes its key while all agents run", async () => {
            const key = randomBytes(32).toString("base64");
            const rotate = () => keyrings(key, servers[0]!);
            const first = await rotate();
            assert.equal(first.code, 0, first.output);
            const { consul } = JSON.parse(first.stdout);
            assert.deepEqual(consul, { changed: true, removed: 1, agents: 4 });
            // All agents are asked, and one may be too late with its answer.
            await eventually("all agents say so", async () => {
                const { json, text } = await servers[0]!.ask("/v1/operator/keyring");
                assert.ok(json, text);
                assert.deepEqual(json[0].PrimaryKeys, { [key]: 4 });
                assert.deepEqual(json[0].Keys, { [key]: 4 });
            });
            // Every server has the command.
            for (const again of await Promise.all(servers.map((server) => keyrings(key, server)))) {
                assert.equal(again.code, 0, again.output);
                assert.equal(JSON.parse(again.stdout).consul.changed, false);
                assert.ok(!again.output.includes(key), "no secret is printed");
            }
            assert.ok(!first.output.includes(key), "no secret is printed");
            // Agents that come later have it from their files.
            cluster.gossipKey = key;
        });
    });

    describe("row 7: servers", () => {
        it("grow to five and shrink to three again, and nobody else restarts", async () => {
            const started = await Promise.all(servers.map(startedAt));
            const more = [4, 5].map((index) => ({
                name: `server-${index}`,
                address: `127.0.45.${10 + index}`,
            }));
            const five = [...cluster.servers, ...more];
            // The others still expect three: their files are not read again.
            const joined = await Promise.all(more.map((node) => cluster.start(node, { servers: five })));
            try {
                // Five seconds of health, and then when Autopilot next looks.
                await eventually(
                    "five servers vote",
                    async () =>
                        assert.deepEqual(
                            await whole.voters(),
                            five.map(({ name }) => name),
                        ),
                    { within: 60 },
                );
            } finally {
                for (const member of joined) {
                    // It may end before it has answered.
                    await member.ask("/v1/agent/leave", { method: "PUT" }).catch(() => undefined);
                    await member.stop();
                }
            }
            await eventually("three servers vote", async () => {
                assert.deepEqual(
                    await whole.voters(),
                    cluster.servers.map(({ name }) => name),
                );
            });
            assert.deepEqual(await Promise.all(servers.map(startedAt)), started);
        });

        it("are cleaned up by Autopilot when they are dead", async () => {
            const { json } = await servers[0]!.ask("/v1/operator/autopilot/configuration");
            assert.equal(json.CleanupDeadServers, true);
            assert.equal(json.MinQuorum, 3);
            assert.equal(json.LastContactThreshold, "1s");
            assert.equal(json.ServerStabilizationTime, "5s");
        });
    });

    describe("row 8: restarts", () => {
        it("keeps a client's services in the catalogue while its agent restarts", async () => {
            const token = cluster.management;
            const service = { Name: "web", Port: 80 };
            await client.ask("/v1/agent/service/register", { method: "PUT", body: service });
            const instances = async (): Promise<number> =>
                (await ask(`${servers[1]!.api}/v1/health/service/web?passing`, { token })).json.length;
            await eventually("web is registered", async () => assert.equal(await instances(), 1));
            let restarted = false;
            const restart = client.restart().finally(() => (restarted = true));
            let looks = 0;
            while (!restarted) {
                assert.equal(await instances(), 1);
                looks += 1;
            }
            await restart;
            assert.ok(looks > 1);
        });

        it("lets a server come back with its data, as the one that it was", async () => {
            const [server] = servers as [Member];
            await server.ask("/v1/kv/test", { method: "PUT", body: "kept" });
            const id = (await server.ask("/v1/agent/self")).json.Config.NodeID;
            await server.restart();
            // Until it hears from a leader it does not know how much of its log is committed.
            await eventually("its data are there", async () =>
                assert.equal((await server.ask("/v1/kv/test?raw&stale")).text, '"kept"'),
            );
            assert.equal((await server.ask("/v1/agent/self")).json.Config.NodeID, id);
            await eventually("all vote", async () => assert.equal((await whole.voters()).length, 3));
        });
    });
});
