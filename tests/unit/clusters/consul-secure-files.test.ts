import * as assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import { type AclPlan, consulAcl, consulAclCommand } from "../../../components/clusters/consul-acl";
import { secureConsul } from "../../../components/clusters/consul-configuration";
import type { NodeFile } from "../../../components/clusters/node-files";
import { unpacked } from "../../support/packed";
import { SecureConsul } from "./secure-consul";

describe("the files of an encrypted Consul", () => {
    let cluster: SecureConsul;
    before(async () => {
        cluster = await SecureConsul.create("127.0.43", 5, 1);
    });
    after(() => cluster?.close());

    const files = async (node: string, count = 5): Promise<Record<string, NodeFile>> => {
        const args = await cluster.args(cluster.node(node), { servers: cluster.servers.slice(0, count) });
        const certificate = args.certificate && { certPem: "the same", keyPem: "the same" };
        const { files } = secureConsul({ ...args, ...(certificate ? { certificate } : {}) });
        return Object.fromEntries(files.map((file) => [file.path.replace("/etc/consul.d/", ""), file]));
    };
    const changed = (before: Record<string, NodeFile>, after: Record<string, NodeFile>): string[] =>
        Object.keys(after).filter((name) => after[name]!.content !== before[name]?.content);

    it("restart nobody when there are more or fewer servers", async () => {
        for (const node of ["server-1", "client-1"]) {
            const [three, five] = [await files(node, 3), await files(node, 5)];
            assert.deepEqual(changed(three, five), ["peers.json"]);
            assert.equal(five["peers.json"]!.unit, undefined);
        }
    });

    it("keep each secret where it is needed, for root and Consul alone", async () => {
        const [server, client] = [await files("server-1"), await files("client-1")];
        for (const each of [...Object.values(server), ...Object.values(client)]) {
            assert.equal(each.mode, "0640", each.path);
            assert.equal(each.owner, "root:consul", each.path);
        }
        const holders = (set: Record<string, NodeFile>, secret: string): string[] =>
            Object.keys(set).filter((name) => set[name]!.content.includes(secret));
        assert.deepEqual(holders(server, cluster.gossipKey), ["gossip.json"]);
        assert.deepEqual(holders(server, cluster.management), ["tokens.json"]);
        assert.deepEqual(holders(client, cluster.management), []);
        assert.deepEqual(holders(client, cluster.agents["client-1"]!), ["tokens.json"]);
        assert.deepEqual(
            Object.keys(client).filter((name) => name.startsWith("tls/")),
            ["tls/ca.pem"],
        );
    });

    it("are refused as a whole, with each reason and without a secret", async () => {
        const args = await cluster.args(cluster.servers[0]!);
        const wrong = {
            ...args,
            certificate: undefined,
            gossipKey: "c2hvcnQ=",
            caPem: "",
            tokens: { agent: "secret", dns: "secret" },
        };
        assert.throws(
            () => secureConsul(wrong),
            (error: Error) => {
                for (const reason of [
                    /Consul on server-1/,
                    /caPem: is no certificate/,
                    /gossipKey: must be 32 bytes/,
                    /tokens\.agent: must be a UUID/,
                    /certificate: a server needs its own/,
                    /tokens\.initialManagement: servers make/,
                ]) {
                    assert.match(error.message, reason);
                }
                assert.doesNotMatch(error.message, /"secret"|c2hvcnQ/);
                return true;
            },
        );
        const client = await cluster.args(cluster.clients[0]!);
        assert.throws(
            () => secureConsul({ ...client, tokens: args.tokens, certificate: args.certificate! }),
            /certificate: a client gets its own[^]*tokens\.initialManagement: must not be on a client/,
        );
    });
});

describe("the plan of Consul's ACLs", () => {
    const secrets = (): { current: string; next: string } => ({ current: randomUUID(), next: randomUUID() });
    const management = secrets();
    const balancer = secrets();
    const plan = (
        rotation: number,
        tokens: { management: typeof management; balancer: typeof balancer },
    ): AclPlan =>
        consulAcl({ datacenter: "dc1", rotation, tokens: { agents: {}, ...tokens }, nomad: { caPem: "CA" } });

    it("keeps its secrets out of the command", () => {
        const made = plan(1, { management, balancer });
        const { create, stdin } = consulAclCommand(made);
        assert.match(
            create,
            /^python3 - '\{"api":"http:\/\/127\.0\.0\.1:8500","timeout":60,"keep":false\}'$/,
        );
        for (const { secret } of made.tokens) {
            assert.ok(unpacked(stdin).includes(secret));
            assert.ok(!create.includes(secret));
        }
    });

    it("gives a generation of a token one accessor for good, so that the next becomes the current one", () => {
        const before = plan(1, { management, balancer });
        const later = plan(2, {
            management: { current: management.next, next: randomUUID() },
            balancer: { current: balancer.next, next: randomUUID() },
        });
        const accessor = ({ tokens }: AclPlan, secret: string): string | undefined =>
            tokens.find((token) => token.secret === secret)?.accessor;
        assert.match(
            accessor(before, balancer.next)!,
            /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-/,
        );
        assert.equal(accessor(before, balancer.next), accessor(later, balancer.next));
        assert.equal(accessor(later, balancer.current), undefined);
        const all = [...before.tokens, ...later.tokens].map((token) => token.accessor);
        assert.equal(new Set(all).size, 6);
    });
});
