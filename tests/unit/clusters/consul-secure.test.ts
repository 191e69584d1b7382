import * as assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { Resolver } from "node:dns/promises";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { readinessCommand } from "../../../components/clusters/readiness";
import { findTool } from "../../support/agents";
import { run } from "../../support/command";
import { eventually } from "../../support/poll";
import { apiOf, authority, localOf, type Member, type SecureConsul, WholeConsul } from "./secure-consul";
import { listeners, plainRpc, rpcHandshake } from "./secure-probes";

describe("an encrypted Consul cluster", function () {
    this.timeout(180_000);
    let whole: WholeConsul;
    let cluster: SecureConsul;
    let servers: Member[];
    let client: Member;

    before(async () => {
        whole = await WholeConsul.start("127.0.40");
        ({ cluster, servers, client } = whole);
    });
    after(() => whole?.stop());

    const members = async (): Promise<{ Name: string; Status: number }[]> =>
        (await servers[0]!.ask("/v1/agent/members")).json;
    /** Whoever knows the gossip key is a member; agents would ask a failed server for as long as they know it. */
    const forget = async (name: string): Promise<void> => {
        await eventually(
            `all forget ${name}`,
            async () => {
                for (const member of whole.agents) {
                    const known = (await member.ask("/v1/agent/members")).json as {
                        Name: string;
                        Status: number;
                    }[];
                    // 3 is "left": some keep that for the record.
                    if (known.some((each) => each.Name === name && each.Status !== 3)) {
                        // Again and again, for it has no effect before serf has noticed that the member is gone; and
                        // each for itself, for whoever has forgotten a member passes nothing on about it.
                        await member.ask(`/v1/agent/force-leave/${name}?prune`, { method: "PUT" });
                        assert.fail(member.node.name);
                    }
                }
            },
            { within: 60 },
        );
    };
    /** An intruder's agent, until its log or that of a member shows what became of it. */
    const intrude = async (
        overrides: Parameters<SecureConsul["start"]>[1],
        { address = 91, shows, by }: { address?: number; shows: RegExp; by?: Member },
    ): Promise<void> => {
        const node = { name: `intruder-${address}`, address: `127.0.40.${address}` };
        const intruder = await cluster.start(node, overrides, async (member) => {
            assert.match((by ?? member).log(), shows);
        });
        try {
            assert.ok(!(await whole.voters()).includes(node.name), "the intruder must not vote");
        } finally {
            await intruder.stop();
            await forget(node.name);
        }
    };

    it("forms: all servers vote, all agents are in the catalogue", async () => {
        const { create, stdin } = readinessCommand("consul-ready.py", {
            api: servers[1]!.api,
            servers: cluster.servers.map(({ name }) => name),
            clients: cluster.clients.map(({ name }) => name),
            timeout: 30,
        });
        const ready = await run("sh", ["-c", create], {
            input: stdin,
            env: { ...process.env, CONSUL_HTTP_TOKEN: cluster.management },
        });
        assert.equal(ready.code, 0, ready.output);
    });

    it("has a check that knows right files from wrong ones", async () => {
        for (const member of [servers[0]!, client]) {
            const right = await member.check();
            assert.equal(right.code, 0, right.output);
        }
        const extra = join(client.folder, "consul.d", "extra.json");
        writeFileSync(extra, JSON.stringify({ no_such_setting: true }));
        const wrong = await client.check();
        writeFileSync(extra, "{}");
        assert.notEqual(wrong.code, 0);
        assert.match(wrong.output, /no_such_setting/);
    });

    describe("row 1: certificates", () => {
        it("lets nobody speak to a server who has no certificate of the lab's authority", async () => {
            const { address } = cluster.servers[0]!;
            const own = await cluster.certificate(cluster.clients[0]!, { names: ["somebody.lab"] });
            const admitted = await rpcHandshake(address, { cert: own.certPem, key: own.keyPem });
            assert.equal(admitted.refused, undefined);
            assert.match((await rpcHandshake(address, {})).refused ?? "let in", /alert|closed/);
            const stranger = await cluster.certificate(cluster.servers[0]!, {
                ca: await authority(cluster.pki),
            });
            const refused = await rpcHandshake(address, { cert: stranger.certPem, key: stranger.keyPem });
            assert.match(refused.refused ?? "let in", /alert|closed/);
            assert.equal(await plainRpc(address), false, "speech without TLS");
        });

        it("lets no agent with a foreign authority become a server, though it knows the gossip key", async () => {
            const node = { name: "intruder-91", address: "127.0.40.91" };
            const foreign = await authority(cluster.pki);
            await intrude(
                {
                    servers: [...cluster.servers, node],
                    caPem: foreign.cert,
                    certificate: await cluster.certificate(node, { ca: foreign }),
                    tokens: { agent: randomUUID(), dns: cluster.dns, initialManagement: randomUUID() },
                },
                {
                    shows: /certificate signed by unknown authority|unknown certificate authority|bad certificate/,
                },
            );
        });

        it("believes no server whose certificate is not a server's", async () => {
            const node = { name: "intruder-92", address: "127.0.40.92" };
            await intrude(
                {
                    servers: [...cluster.servers, node],
                    certificate: await cluster.certificate(node, { names: ["client.dc1.consul"] }),
                    tokens: { agent: randomUUID(), dns: cluster.dns, initialManagement: randomUUID() },
                },
                {
                    address: 92,
                    shows: /not server\.dc1\.consul|valid for client\.dc1\.consul/,
                    by: servers[0],
                },
            );
        });

        it("offers HTTP, gRPC and DNS on loopback alone", async () => {
            for (const { node } of [...servers, client]) {
                const rpc = cluster.servers.includes(node) ? ["tcp:8300"] : [];
                assert.deepEqual(listeners(node.address), [...rpc, "tcp:8301", "udp:8301"]);
                assert.deepEqual(listeners(localOf(node)), ["tcp:8500", "tcp:8502", "tcp:8600", "udp:8600"]);
                await assert.rejects(fetch(`http://${node.address}:8500/v1/status/leader`));
            }
        });

        it("gives a client its certificate for its agent token, and nobody without one", async () => {
            assert.ok(!existsSync(join(client.folder, "consul.d/tls/agent.pem")));
            const { json } = await client.ask("/v1/agent/self");
            assert.equal(json.DebugConfig.AutoEncryptTLS, true);
            // Through the client to a server's RPC, which asks for a certificate.
            // The leader takes those out who were members before.
            await eventually("the catalogue has the four", async () =>
                assert.equal((await client.ask("/v1/catalog/nodes")).json.length, 4),
            );
            await intrude(
                { tokens: { agent: randomUUID(), dns: cluster.dns } },
                { address: 93, shows: /AutoEncrypt\.Sign RPC failed.*(ACL not found|token does not exist)/ },
            );
            await assert.rejects(fetch(`${apiOf({ name: "", address: "127.0.40.93" })}/v1/status/leader`));
        });
    });

    describe("row 2: tokens", () => {
        it("shows nothing to whoever has no token, but answers DNS", async () => {
            for (const member of [servers[0]!, client]) {
                const anonymous = (path: string) => member.ask(path, { token: "" });
                assert.deepEqual((await anonymous("/v1/catalog/nodes")).json, []);
                assert.deepEqual((await anonymous("/v1/catalog/services")).json, {});
                assert.deepEqual((await anonymous("/v1/agent/members")).json, []);
                for (const path of [
                    "/v1/agent/self",
                    "/v1/kv/gatehouse/turn",
                    "/v1/acl/tokens",
                    "/v1/snapshot",
                ]) {
                    // A snapshot's refusal is at times overtaken by the end of its connection.
                    await eventually(`${path} is refused`, async () => {
                        const refused = await anonymous(path);
                        assert.equal(refused.status, 403, refused.text);
                    });
                }
                const resolver = new Resolver();
                resolver.setServers([`${localOf(member.node)}:8600`]);
                assert.deepEqual(await resolver.resolve4("server-2.node.consul"), ["127.0.40.12"]);
            }
        });

        it("lets an agent's token keep its own node and no other", async () => {
            const register = (node: string, token: string) =>
                client.ask("/v1/catalog/register", {
                    method: "PUT",
                    token,
                    body: { Node: node, Address: "127.0.40.21", SkipNodeUpdate: false },
                });
            const token = cluster.agents["client-1"]!;
            const own = await register("client-1", token);
            assert.equal(own.status, 200, own.text);
            for (const node of ["server-1", "somebody"]) {
                const refused = await register(node, token);
                assert.equal(refused.status, 403, node);
                assert.match(refused.text, /node:write/);
            }
            const wrong = await register("client-1", randomUUID());
            assert.equal(wrong.status, 403);
            assert.match(wrong.text, /ACL not found|does not exist/);
        });
    });

    describe("row 3: gossip", () => {
        it("keeps out an agent with another key, certificate or not", async () => {
            const node = { name: "intruder-94", address: "127.0.40.94" };
            await intrude(
                {
                    servers: [...cluster.servers, node],
                    certificate: await cluster.certificate(node),
                    gossipKey: randomBytes(32).toString("base64"),
                    tokens: { agent: randomUUID(), dns: cluster.dns, initialManagement: randomUUID() },
                },
                { address: 94, shows: /No installed keys could decrypt the message/i, by: servers[0] },
            );
            assert.ok(!(await members()).some(({ Name }) => Name === node.name));
        });
    });

    describe("row 4: commands from outside", () => {
        it("registers no check that runs a command", async () => {
            const refused = await client.ask("/v1/agent/check/register", {
                method: "PUT",
                body: { Name: "script", Args: ["/bin/true"], Interval: "10s" },
            });
            assert.ok(refused.status >= 400, refused.text);
            assert.match(refused.text, /Scripts are disabled on this agent/);
        });

        it("executes nothing for `consul exec`", async () => {
            const proof = join(client.folder, "executed");
            const { output } = await run(
                findTool("consul"),
                ["exec", `-http-addr=${client.api}`, "-wait=1s", `touch ${proof}`],
                { env: { ...process.env, CONSUL_HTTP_TOKEN: cluster.management }, timeout: 30 },
            );
            assert.match(output, /0 \/ 0 node\(s\) completed/);
            assert.ok(!existsSync(proof));
        });
    });
});
