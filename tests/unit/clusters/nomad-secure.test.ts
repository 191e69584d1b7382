import * as assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { nomadWorkloads } from "../../../components/clusters/consul-acl";
import { type SecureNomadArgs, secureNomad } from "../../../components/clusters/nomad-configuration";
import type { NodeFile } from "../../../components/clusters/node-files";
import { run } from "../../support/command";
import { containers } from "./nomad-secure-cluster";
import { NomadMember } from "./nomad-secure-member";

const servers = [1, 2, 3].map((index) => ({ name: `server-${index}`, address: `10.0.0.1${index}` }));
const common = {
    datacenter: "dc1",
    servers,
    caPem: "-----BEGIN CERTIFICATE-----\nthe authority\n",
    certificate: { certPem: "the certificate\n", keyPem: "the private key\n" },
    consulToken: randomUUID(),
};
const server: SecureNomadArgs = {
    ...common,
    node: servers[0]!,
    gossipKey: randomBytes(32).toString("base64"),
};
const client: SecureNomadArgs = {
    ...common,
    node: { name: "client-1", address: "10.0.0.21" },
    client: containers,
};

function fileOf(args: SecureNomadArgs, name: string): NodeFile {
    const found = secureNomad(args).files.find(({ path }) => path.endsWith(name));
    assert.ok(found, `there is no ${name}`);
    return found;
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- the agent's configuration is looked into as it is
function agentOf(args: SecureNomadArgs): any {
    return JSON.parse(fileOf(args, "nomad.json").content);
}

describe("the configuration of a secure Nomad agent", function () {
    this.timeout(60_000);

    it("keeps every secret in a file that root alone can read, and in one place", () => {
        for (const args of [server, client]) {
            const { files } = secureNomad(args);
            for (const secret of [common.consulToken, common.certificate.keyPem, args.gossipKey]) {
                const holders = files.filter(
                    ({ content }) => secret !== undefined && content.includes(secret),
                );
                assert.equal(holders.length, secret === undefined ? 0 : 1, secret);
                assert.ok(holders.every(({ mode, owner }) => mode === "0600" && owner === "root:root"));
            }
        }
    });

    it("gives clients no gossip key", () => {
        assert.deepEqual(
            secureNomad(client).files.filter(({ content }) => content.includes("encrypt")),
            [],
        );
        assert.equal(JSON.parse(fileOf(server, "gossip.json").content).server.encrypt, server.gossipKey);
    });

    it("offers a server's API to its own machine alone, a client's to its peers as well", () => {
        assert.equal(agentOf(server).addresses.http, "127.0.0.1");
        assert.equal(agentOf(client).addresses.http, "127.0.0.1 10.0.0.21");
        assert.equal(agentOf(client).advertise.http, "10.0.0.21");
        assert.equal(agentOf(server).bind_addr, "10.0.0.11");
    });

    it("makes a machine a server or a client, never both", () => {
        assert.equal(agentOf(server).client, undefined);
        assert.equal(agentOf(client).server, undefined);
        assert.throws(
            () => secureNomad({ ...server, client: containers }),
            /client: a server runs no jobs here/,
        );
        assert.throws(() => secureNomad({ ...server, pool: "batch" }), /pool: node pools are for clients/);
        assert.throws(() => secureNomad({ ...client, client: undefined }), /client: missing/);
        assert.throws(
            () => secureNomad({ ...client, gossipKey: server.gossipKey }),
            /gossipKey: must not be on a client/,
        );
    });

    it("reports everything that is wrong at once, and no secret", () => {
        const secret = "dGhpcyBpcyBhIHNlY3JldA==";
        assert.throws(
            () =>
                secureNomad({
                    ...server,
                    gossipKey: secret,
                    consulToken: secret,
                    caPem: secret,
                    servers: [],
                }),
            (error: Error) => {
                assert.match(error.message, /^Nomad on server-1: /);
                assert.match(error.message, /servers: .*caPem: .*consulToken: /);
                assert.ok(!error.message.includes(secret));
                return true;
            },
        );
        assert.throws(() => secureNomad({ ...server, gossipKey: secret }), /gossipKey: must be 32 bytes/);
    });

    it("restarts no agent because of its peers, and none because of certificates", () => {
        const more = [...servers, { name: "server-4", address: "10.0.0.14" }];
        for (const args of [server, client]) {
            const before = secureNomad(args).files;
            const changed = secureNomad({
                ...args,
                servers: more,
                certificate: { certPem: "another\n", keyPem: "another key\n" },
            }).files.filter(({ content }, index) => content !== before[index]!.content);
            assert.deepEqual(
                changed.map(({ path, unit }) => [path.split("/").at(-1), unit?.change]),
                [
                    ["peers.json", undefined],
                    ["agent.pem", "reload"],
                    ["agent-key.pem", "reload"],
                ],
            );
        }
        assert.equal(fileOf(client, "nomad.json").unit?.change, "restart");
        assert.equal(fileOf(client, "consul.json").unit?.change, "restart");
    });

    it("names the node pool of a client", () => {
        assert.equal(agentOf({ ...client, pool: "batch" }).client.node_pool, "batch");
        assert.equal(agentOf(client).client.node_pool, undefined);
    });

    it("asks Consul for what its ACLs expect", () => {
        const { consul } = agentOf(client);
        assert.deepEqual(consul.service_identity.aud, [nomadWorkloads.audience]);
        assert.deepEqual(consul.task_identity.aud, [nomadWorkloads.audience]);
        assert.equal(consul.service_auth_method, nomadWorkloads.authMethod);
        assert.equal(consul.task_auth_method, nomadWorkloads.authMethod);
        assert.equal(consul.token, undefined, "the token is in a file of its own");
    });

    it("lets no job have the machine", () => {
        const [docker] = agentOf(client).plugin[0].docker[0].config;
        assert.equal(docker.allow_privileged, false);
        assert.deepEqual(docker.volumes, [{ enabled: false }]);
        assert.equal(agentOf(client).client.options["driver.allowlist"], "docker");
        assert.equal(agentOf(client).client.template.disable_file_sandbox, false);
    });

    it("gives a drain more time than it takes, and systemd more than Nomad", () => {
        const seconds = parseInt(agentOf(client).client.drain_on_shutdown.deadline, 10);
        const timeout = Number(/TimeoutStopSec=(\d+)/.exec(fileOf(client, "leave.conf").content)![1]);
        // Nomad itself waits five seconds beyond the deadline (client/drain.go).
        assert.ok(timeout > seconds + 5, `${timeout} s for a drain of ${seconds} s`);
        assert.ok(secureNomad(server).files.every(({ path }) => !path.endsWith("leave.conf")));
    });

    for (const [role, args] of Object.entries({ server, client: { ...client, pool: "batch" } })) {
        it(`of a ${role} is valid for Nomad, and a mistake in it is found`, async () => {
            const member = new NomadMember(args.node, secureNomad(args), "127.0.0.1");
            try {
                const valid = await member.check();
                assert.equal(valid.code, 0, valid.output);
                writeFileSync(join(member.folder, "nomad.d/wrong.json"), JSON.stringify({ acls: {} }));
                const wrong = await member.check();
                assert.notEqual(wrong.code, 0, wrong.output);
            } finally {
                member.forget();
            }
        });
    }

    it("adds a stop to the unit that systemd understands", async function () {
        if ((await run("systemd-analyze", ["--version"]).catch(() => ({ code: 1 }))).code !== 0) {
            this.skip();
        }
        const member = new NomadMember(client.node, secureNomad(client), "127.0.0.1");
        try {
            const unit = join(member.folder, "systemd/system/nomad.service");
            writeFileSync(unit, "[Service]\nExecStart=/bin/true\n");
            const result = await run("systemd-analyze", ["verify", "--man=no", unit]);
            assert.equal(result.code, 0, result.output);
            assert.doesNotMatch(result.output, /leave\.conf/);
        } finally {
            member.forget();
        }
    });
});
