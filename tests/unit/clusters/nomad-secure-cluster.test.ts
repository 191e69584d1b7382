import * as assert from "node:assert/strict";
import { randomBytes, randomUUID, X509Certificate } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { gossipKeyrings } from "../../../components/clusters/gossip";
import { secureNomad } from "../../../components/clusters/nomad-configuration";
import { eventually } from "../../support/poll";
import { job, NomadUnderTest } from "./nomad-secure-cluster";
import type { Answer, NomadMember, Request } from "./nomad-secure-member";
import { callRpc } from "./nomad-secure-probes";
import { authority, localOf, overSsh } from "./secure-consul";
import { listeners } from "./secure-probes";

describe("a secure Nomad cluster", function () {
    this.timeout(240_000);
    let cluster: NomadUnderTest;
    let servers: NomadMember[];
    let client: NomadMember;
    let gossipKey: string;

    before(async () => {
        cluster = await NomadUnderTest.create("127.0.41", 3);
        // As machines boot: all at once.
        [client, ...servers] = (await Promise.all([
            cluster.launch(cluster.node("client", 1)),
            ...cluster.servers.map((node) => cluster.launch(node)),
        ])) as [NomadMember, ...NomadMember[]];
        await Promise.all([client, ...servers].map((member) => member.ready()));
    });
    after(() => cluster?.close());

    const manage = async (path: string, options: Request = {}, member = servers[0]!): Promise<Answer> => {
        const answer = await member.ask(path, { token: cluster.management, ...options });
        assert.equal(answer.status, 200, `${path}: ${answer.text}`);
        return answer;
    };
    const keyrings = (key: string, { api, caFile: ca, folder }: NomadMember, timeout: number) =>
        overSsh(
            gossipKeyrings(
                { nomad: { key, management: cluster.management } },
                { nomad: { api, ca, keyring: join(folder, "data/server/serf.keyring") }, timeout },
            ),
        );
    const voters = async (): Promise<string[]> => {
        const { json } = await manage("/v1/operator/raft/configuration");
        return (json.Servers as { Node: string; Voter: boolean }[])
            .filter(({ Voter }) => Voter)
            .map(({ Node }) => Node)
            .sort();
    };

    it("takes a generated management token once; a second time is no change", async () => {
        const first = await cluster.bootstrap(servers[0]!);
        assert.equal(first.code, 0, first.output);
        assert.equal(JSON.parse(first.stdout).bootstrapped, true);
        // Another server will do as well, and so does the same again.
        for (const server of servers) {
            const again = await cluster.bootstrap(server);
            assert.equal(again.code, 0, again.output);
            assert.equal(JSON.parse(again.stdout).bootstrapped, false);
            assert.ok(!(first.output + again.output).includes(cluster.management), "no secret is printed");
        }
        assert.equal((await manage("/v1/acl/token/self")).json.Type, "management");
    });

    it("has every server as a voter and the client alone as a node", async () => {
        assert.deepEqual(await voters(), ["server-1.global", "server-2.global", "server-3.global"]);
        const nodes = await eventually("the client has registered", async () => {
            const { json } = await manage("/v1/nodes");
            assert.ok(json.length > 0 && json.every(({ Status }: { Status: string }) => Status === "ready"));
            return json as { Name: string; Address: string }[];
        });
        assert.deepEqual(
            nodes.map(({ Name, Address }) => [Name, Address]),
            [["client-1", "127.0.41.21"]],
        );
        for (const server of servers) {
            assert.match((await server.ask("/v1/agent/health?type=client")).text, /client not enabled/);
        }
        assert.match((await client.ask("/v1/agent/health?type=server")).text, /server not enabled/);
    });

    it("removes dead servers by itself, as its configuration says", async () => {
        const { json } = await manage("/v1/operator/autopilot/configuration");
        assert.equal(json.CleanupDeadServers, true);
        assert.equal(json.LastContactThreshold, "1s");
        assert.equal(json.ServerStabilizationTime, "5s");
        assert.equal(json.MinQuorum, 3);
    });

    it("tells nobody without a token anything", async () => {
        for (const member of [servers[0]!, client]) {
            for (const path of [
                ...["jobs", "nodes", "allocations", "agent/self", "agent/members", "vars", "acl/tokens"],
                ...["operator/raft/configuration", "node/pools", "services", "plugins?type=csi"],
            ]) {
                const { status, text } = await member.ask(`/v1/${path}`);
                // A list is filtered to what one may see.
                assert.ok(status === 403 || (status === 200 && text === "[]"), `${path}: ${status} ${text}`);
            }
            const unknown = await member.ask("/v1/jobs", { token: randomUUID() });
            assert.equal(unknown.status, 403, unknown.text);
        }
        const registered = await servers[0]!.ask("/v1/jobs", { method: "POST", body: job("unwanted") });
        assert.equal(registered.status, 403, registered.text);
        assert.equal((await servers[0]!.ask("/v1/system/gc", { method: "PUT" })).status, 403);
    });

    it("shows the UI, the keys of identities and the metrics to anybody who is let near", async () => {
        // Nomad asks nobody for a token there.
        assert.equal((await client.ask("/v1/metrics?format=prometheus")).status, 200);
        assert.match((await servers[0]!.ask("/ui/")).text, /<html/);
        // The leader makes the first key a moment after its election.
        await eventually("there is a key", async () => {
            const { json, text } = await servers[0]!.ask("/.well-known/jwks.json");
            assert.ok(json?.keys.length > 0, text);
        });
    });

    it("speaks HTTP over TLS alone, where it is needed alone", async () => {
        const plain = await fetch(`http://${localOf(servers[0]!.node)}:4646/v1/status/leader`);
        assert.equal(plain.status, 400);
        assert.deepEqual(listeners(localOf(servers[0]!.node)), ["tcp:4646"]);
        assert.deepEqual(listeners(servers[0]!.node.address), ["tcp:4647", "tcp:4648", "udp:4648"]);
        assert.deepEqual(listeners(localOf(client.node)), ["tcp:4646"]);
        assert.deepEqual(listeners(client.node.address), ["tcp:4646"]);
        // Peers look for the name that certificates of clients have.
        assert.equal((await client.ask("/v1/status/leader", { host: client.node.address })).status, 200);
    });

    it("refuses RPC without TLS, without a certificate, and with one of another authority", async () => {
        const { address } = servers[0]!.node;
        const foreign = await cluster.certificate(servers[0]!.node, "server", await authority(cluster.pki));
        const own = await cluster.certificate(servers[0]!.node, "client");
        for (const kind of ["rpc", "raft"] as const) {
            assert.notEqual((await callRpc(address, kind, "no TLS")).refused, undefined, `${kind}: no TLS`);
            assert.notEqual((await callRpc(address, kind, {})).refused, undefined, `${kind}: no certificate`);
            const { certPem: cert, keyPem: key } = foreign;
            assert.notEqual(
                (await callRpc(address, kind, { cert, key })).refused,
                undefined,
                `${kind}: foreign`,
            );
        }
        const { certPem: cert, keyPem: key } = own;
        assert.equal((await callRpc(address, "rpc", { cert, key })).refused, undefined);
    });

    it("lets a client's certificate nowhere near Raft", async () => {
        const { address } = servers[0]!.node;
        for (const [role, expected] of [
            ["client", "closed"],
            ["server", undefined],
        ] as const) {
            const { certPem: cert, keyPem: key } = await cluster.certificate(servers[0]!.node, role);
            assert.equal((await callRpc(address, "raft", { cert, key })).refused, expected, role);
        }
    });

    it("gives all servers another gossip key while they run, and starts with it ever after", async () => {
        const key = randomBytes(32).toString("base64");
        gossipKey = key;
        const rotate = () => keyrings(key, servers[0]!, 20);
        const first = await rotate();
        assert.equal(first.code, 0, first.output);
        assert.deepEqual(JSON.parse(first.stdout).nomad, { changed: true, removed: 1, servers: 3 });
        const again = await rotate();
        assert.deepEqual([again.code, JSON.parse(again.stdout).nomad.changed], [0, false], again.output);
        assert.ok(!(first.output + again.output).includes(key), "no secret is printed");
        // Its file has the old key still.
        await servers[2]!.restart();
        await eventually("the server is back among its peers", async () => {
            const { json } = await manage("/v1/agent/members", {}, servers[2]);
            const alive = (json.Members as { Name: string; Status: string }[]).filter(
                ({ Status }) => Status === "alive",
            );
            assert.equal(alive.length, 3);
        });
    });

    it("makes a further server a voter, without a word to the others", async () => {
        const node = cluster.node("server", 4);
        const further = await cluster.start(node, { servers: [...cluster.servers, node], gossipKey });
        // Five seconds of health, and then when Autopilot next looks.
        await eventually(
            "server-4 votes",
            async () => assert.equal((await voters()).at(-1), "server-4.global"),
            { within: 60 },
        );
        // Back to three: out of Raft first, and then for good.
        const { json } = await manage("/v1/operator/raft/configuration");
        const peers = json.Servers as { ID: string; Node: string }[];
        const { ID } = peers.find(({ Node }) => Node === "server-4.global")!;
        await manage(`/v1/operator/raft/peer?id=${ID}`, { method: "DELETE" });
        await further.end("SIGINT");
        await manage("/v1/agent/force-leave?node=server-4.global", { method: "PUT" });
        assert.deepEqual(await voters(), ["server-1.global", "server-2.global", "server-3.global"]);
    });

    it("never makes a server of somebody who has a client's certificate, even with the gossip key", async () => {
        const node = cluster.node("server", 8);
        const rogue = await cluster.launch(node, {
            servers: [...cluster.servers, node],
            gossipKey,
            certificate: await cluster.certificate(node, "client"),
        });
        await eventually(
            "servers notice the wrong certificate",
            () => {
                const logs = servers.map((server) => server.log()).join("");
                assert.match(logs, /client\.global\.nomad, .*not server\.global\.nomad/);
            },
            { within: 60 },
        );
        assert.deepEqual(await voters(), ["server-1.global", "server-2.global", "server-3.global"]);
        assert.notEqual((await rogue.healthy()).code, 0);
        await rogue.end("SIGKILL");
        await manage("/v1/agent/force-leave?node=server-8.global&prune=true", { method: "PUT" });
    });

    it("refuses gossip with a foreign key", async () => {
        const node = cluster.node("server", 9);
        const rogue = await cluster.launch(node, {
            servers: [...cluster.servers, node],
            gossipKey: randomBytes(32).toString("base64"),
        });
        await eventually("the server with the foreign key is turned away", () => {
            assert.match(rogue.log(), /join failed|failed to join/i);
        });
        const { json } = await manage("/v1/agent/members");
        const names = (json.Members as { Name: string }[]).map(({ Name }) => Name);
        assert.ok(names.includes("server-1.global") && !names.includes("server-9.global"), names.join());
        await rogue.end("SIGKILL");
    });

    it("takes a new certificate while it runs", async () => {
        const server = servers[1]!;
        const certificate = await cluster.certificate(server.node, "server");
        const serial = new X509Certificate(certificate.certPem).serialNumber;
        const configuration = secureNomad(await cluster.args(server.node, { certificate }));
        const reloaded = configuration.files.filter(({ unit }) => unit?.change === "reload");
        assert.equal(reloaded.length, 3);
        server.put(reloaded);
        const { pid } = server;
        server.signal("SIGHUP");
        const { certPem: cert, keyPem: key } = certificate;
        await eventually("the server shows the new certificate", async () => {
            assert.equal((await callRpc(server.node.address, "rpc", { cert, key })).serial, serial);
        });
        await server.ready();
        assert.equal(server.pid, pid);
        assert.equal((await voters()).length, 3);
    });

    it("keeps what it was told when all servers start anew", async () => {
        const item = { Path: "kept", Items: { answer: "42" } };
        await manage("/v1/var/kept", { method: "PUT", body: item });
        for (const server of servers) {
            await server.end("SIGINT");
        }
        for (const server of servers) {
            server.start();
        }
        await Promise.all(servers.map((server) => server.ready()));
        const kept = await eventually("variables can be read again", () => manage("/v1/var/kept"));
        assert.deepEqual(kept.json.Items, item.Items);
        assert.deepEqual(await voters(), ["server-1.global", "server-2.global", "server-3.global"]);
    });

    it("says how to recover when it was bootstrapped with another secret, and that works", async () => {
        const secret = randomUUID();
        const refused = await cluster.bootstrap(servers[0]!, secret);
        assert.equal(refused.code, 1);
        assert.match(refused.output, /bootstrapped with another secret/);
        assert.ok(!refused.output.includes(secret));
        const [, address] = /on the leader \(([\d.]+)\)/.exec(refused.output)!;
        const [, index] = /echo (\d+) > \/var\/lib\/nomad\/server\/acl-bootstrap-reset/.exec(refused.output)!;
        const leader = servers.find(({ node }) => node.address === address)!;
        assert.ok(existsSync(join(leader.folder, "data/server")));
        writeFileSync(join(leader.folder, "data/server/acl-bootstrap-reset"), `${index}\n`);
        const recovered = await cluster.bootstrap(servers[0]!, secret);
        assert.equal(recovered.code, 0, recovered.output);
        assert.equal(JSON.parse(recovered.stdout).bootstrapped, true);
    });

    it("says what is wrong with a secret that cannot be one, and with an API that is not there", async () => {
        const fresh = await cluster.bootstrap(servers[0]!, "not-a-uuid");
        assert.equal(fresh.code, 1);
        assert.match(fresh.output, /must be a UUID/);
        assert.doesNotMatch(fresh.output, /not-a-uuid|Traceback/);
        await servers[0]!.end("SIGINT");
        const silent = await keyrings(cluster.gossipKey, servers[0]!, 1);
        assert.equal(silent.code, 1);
        assert.match(silent.output, /^Gossip: Nomad at https:.*not within 1 s; seen last: .*refused/);
        assert.ok(!silent.output.includes(cluster.management));
    });
});
