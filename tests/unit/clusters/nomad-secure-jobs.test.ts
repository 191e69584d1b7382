import * as assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";

import { consulAcl, consulAclCommand, nomadWorkloads } from "../../../components/clusters/consul-acl";
import { nomadPolicies, type NomadPolicyName } from "../../../components/clusters/nomad-acl";
import { leaveMark, secureNomad } from "../../../components/clusters/nomad-configuration";
import { run } from "../../support/command";
import { eventually } from "../../support/poll";
import { job, NomadUnderTest } from "./nomad-secure-cluster";
import type { Answer, NomadMember, Request } from "./nomad-secure-member";
import { authority, localOf, type Member, overSsh, SecureConsul } from "./secure-consul";

interface Allocation {
    ID: string;
    ClientStatus: string;
    DesiredStatus: string;
}

describe("jobs of a secure Nomad cluster", function () {
    this.timeout(180_000);
    let consulCluster: SecureConsul;
    let consul: Member | undefined;
    let nomad: NomadUnderTest;
    let server: NomadMember;
    let client: NomadMember;
    /** With which Nomad's agents come to Consul. */
    let consulTokens: string[];

    before(async () => {
        consulCluster = await SecureConsul.create("127.0.42", 1, 0);
        const [node] = consulCluster.servers;
        nomad = await NomadUnderTest.create("127.0.42", 1, localOf(node!));
        consul = await consulCluster.start(node!);
        const jwksUrl = `https://${localOf(nomad.servers[0]!)}:4646/.well-known/jwks.json`;
        const acl = consulCluster.aclArgs(jwksUrl);
        // As while one authority takes over from another.
        const caPem = (await authority(nomad.pki)).cert + nomad.ca.cert;
        const plan = consulAcl({ ...acl, nomad: { caPem, jwksUrl } });
        consulTokens = [acl.tokens["nomad-server"]!.current, acl.tokens["nomad-client"]!.current];
        // As in a new cluster: agents start before Consul knows their tokens, and Consul takes the auth method when it
        // can read Nomad's keys.
        server = await nomad.start(nomad.servers[0]!, { consulToken: consulTokens[0] });
        client = await nomad.start(nomad.node("client", 1), { consulToken: consulTokens[1] });
        const bootstrapped = await nomad.bootstrap(server);
        assert.equal(bootstrapped.code, 0, bootstrapped.output);
        // Afterwards the client may look at any time.
        assert.equal(await consulOfClient(), undefined);
        const applied = await overSsh(consulAclCommand(plan, { api: consul.api }));
        assert.equal(applied.code, 0, applied.output);
    });
    after(async () => {
        try {
            // Tasks would outlive the agent. Without one there are none.
            for (const id of ["first", "second"]) {
                await server?.ask(`/v1/job/${id}`, { method: "DELETE", token: nomad.management });
            }
            await eventually("all jobs have stopped", async () => {
                for (const id of client ? ["first", "second"] : []) {
                    assert.deepEqual(await running(id), []);
                }
            });
        } finally {
            await nomad?.close();
            await consul?.stop();
            consulCluster?.close();
        }
    });

    const manage = async (path: string, options: Request = {}): Promise<Answer> => {
        const answer = await server.ask(path, { token: nomad.management, ...options });
        assert.equal(answer.status, 200, `${path}: ${answer.text}`);
        return answer;
    };
    const allocations = async (id: string): Promise<Allocation[]> =>
        (await manage(`/v1/job/${id}/allocations`)).json;
    const running = async (id: string): Promise<string[]> =>
        (await allocations(id)).filter(({ ClientStatus }) => ClientStatus === "running").map(({ ID }) => ID);
    const start = async (id: string): Promise<string> => {
        await manage("/v1/jobs", { method: "POST", body: job(id) });
        return eventually(`${id} runs`, async () => {
            const [allocation] = await running(id);
            assert.ok(allocation, JSON.stringify((await allocations(id)).map((each) => each.ClientStatus)));
            return allocation;
        });
    };
    const node = async () => (await manage("/v1/nodes")).json[0];
    /** Which version of Consul the client has found. */
    const consulOfClient = async (): Promise<unknown> => {
        const { ID } = await node();
        return (await manage(`/v1/node/${ID}`)).json.Attributes["consul.version"];
    };
    /** What Consul's tokens that come from workload identities are for. */
    const identities = async (): Promise<string[]> => {
        const { json } = await consul!.ask("/v1/acl/tokens");
        interface Token {
            AuthMethod?: string;
            ServiceIdentities?: { ServiceName: string }[];
            Roles?: { Name: string }[];
        }
        return (json as Token[])
            .filter(({ AuthMethod }) => AuthMethod === nomadWorkloads.authMethod)
            .flatMap(({ ServiceIdentities = [], Roles = [] }) => [
                ...ServiceIdentities.map(({ ServiceName }) => `service ${ServiceName}`),
                ...Roles.map(({ Name }) => `role ${Name}`),
            ])
            .sort();
    };
    let allocation: string;

    it("find Consul on a client that was there before its token, as soon as it is told to look", async () => {
        client.signal("SIGHUP");
        // By itself it would look every 15 seconds; what a look finds is told to the servers every 5.
        await eventually(
            "the client knows its Consul agent",
            async () => {
                assert.match(client.log(), /reloading fingerprinter: fingerprinter=consul/);
                assert.ok(await consulOfClient());
            },
            { within: 14 },
        );
    });

    it("show that Consul knows Nomad's agents, with checks that pass", async () => {
        for (const [name, count] of [
            ["nomad", 3],
            ["nomad-client", 1],
        ] as const) {
            // Whoever was refused tries again after some seconds, and checks come every ten.
            await eventually(
                `${name} passes`,
                async () => {
                    const { json } = await consul!.ask(`/v1/health/service/${name}?passing`);
                    assert.equal(json.length, count);
                },
                { within: 60 },
            );
        }
    });

    it("register in Consul by identities of their own", async () => {
        allocation = await start("first");
        const found = await eventually("the service is in the catalogue", async () => {
            const { json } = await consul!.ask("/v1/health/service/first?passing");
            assert.equal(json.length, 1);
            return json[0].Service;
        });
        assert.deepEqual(found.Tags, ["routed"]);
        assert.deepEqual(await identities(), ["role nomad-default-tasks", "service first"]);
    });

    it("read the catalogue by the role of their namespace; a server passes their files on", async () => {
        await eventually("the template is rendered", async () => {
            const { text } = await manage(`/v1/client/fs/cat/${allocation}?path=web/local/catalogue`);
            assert.match(text, /consul first .*nomad/);
        });
    });

    it("have nothing of the agents' tokens and keys in what Nomad says of itself", async () => {
        for (const member of [server, client]) {
            const { text } = await member.ask("/v1/agent/self", { token: nomad.management });
            for (const secret of [...consulTokens, nomad.gossipKey, nomad.management]) {
                assert.ok(!text.includes(secret));
            }
            assert.match(text, /"Token":"<redacted>"/);
        }
    });

    it("go on, on a node that stays eligible, when the agent restarts", async () => {
        await client.restart();
        await eventually("the node is ready", async () => {
            assert.equal((await node()).Status, "ready");
        });
        assert.deepEqual(await running("first"), [allocation]);
        assert.equal((await node()).SchedulingEligibility, "eligible");
    });

    it("leave Consul without a trace of their identities when they stop", async () => {
        await manage("/v1/job/first", { method: "DELETE" });
        await eventually("service and tokens are gone", async () => {
            assert.deepEqual((await consul!.ask("/v1/health/service/first")).json, []);
            assert.deepEqual(await identities(), []);
        });
    });

    describe("and those who look after them", () => {
        const tokens = {} as Record<NomadPolicyName, string>;
        const as = async (name: NomadPolicyName, path: string, options: Request = {}): Promise<number> =>
            (await server.ask(path, { token: tokens[name], ...options })).status;

        before(async () => {
            for (const name of Object.keys(nomadPolicies) as NomadPolicyName[]) {
                const { purpose, rules } = nomadPolicies[name];
                await manage(`/v1/acl/policy/${name}`, {
                    method: "PUT",
                    body: { Name: name, Description: purpose, Rules: rules },
                });
                const body = { Name: name, Type: "client", Policies: [name] };
                tokens[name] = (await manage("/v1/acl/token", { method: "PUT", body })).json.SecretID;
            }
            await manage("/v1/var/secret", {
                method: "PUT",
                body: { Path: "secret", Items: { password: "x" } },
            });
        });

        it("may look at everything but secrets, as operators", async () => {
            for (const path of ["jobs", "nodes", "agent/self", "operator/autopilot/health", "metrics"]) {
                assert.equal(await as("operators", `/v1/${path}`), 200, path);
            }
            for (const path of ["var/secret", "acl/tokens", "operator/snapshot"]) {
                assert.equal(await as("operators", `/v1/${path}`), 403, path);
            }
            assert.equal(await as("operators", "/v1/jobs", { method: "POST", body: job("second") }), 403);
            assert.equal(await as("operators", "/v1/system/gc", { method: "PUT" }), 403);
        });

        it("may run and stop jobs and nothing else, with deploy's token", async () => {
            assert.equal(await as("deploy", "/v1/jobs", { method: "POST", body: job("second") }), 200);
            await eventually("the job runs", async () => {
                assert.equal((await running("second")).length, 1);
            });
            assert.equal(await as("deploy", "/v1/job/second"), 200);
            const { ID } = await node();
            const drain = { method: "PUT", body: { DrainSpec: { Deadline: 1e9 } } };
            assert.equal(await as("deploy", `/v1/node/${ID}/drain`, drain), 403);
            assert.equal(await as("deploy", "/v1/var/secret"), 403);
            assert.equal(await as("deploy", "/v1/agent/members"), 403);
            assert.equal(await as("deploy", `/v1/node/${ID}`), 403);
        });
    });

    describe("on a client that leaves", () => {
        it("move away before its agent ends", async () => {
            const mark = client.here(leaveMark);
            const content = client.here(
                secureNomad(await nomad.args(client.node)).files.find(({ path }) =>
                    path.endsWith("leave.conf"),
                )!.content,
            );
            // As systemd would: the words of ExecStop, with the agent's process.
            const [, script] = /ExecStop=\/bin\/sh -c '(.*)'/.exec(content)!;
            const stop = () =>
                run("sh", ["-c", script!], { env: { ...process.env, MAINPID: String(client.pid) } });
            assert.equal((await stop()).code, 0);
            assert.equal((await client.healthy()).code, 0, "without the mark nothing happens");
            writeFileSync(mark, "");
            assert.equal((await stop()).code, 0);
            assert.match(client.log(), /self-drain/);
            assert.equal((await node()).SchedulingEligibility, "ineligible");
            assert.deepEqual(await running("second"), []);
            rmSync(mark);
        });
    });
});
