import * as assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import {
    type AclPlan,
    consulAcl,
    consulAclCommand,
    type ConsulAclArgs,
} from "../../../components/clusters/consul-acl";
import type { CommandResult } from "../../support/command";
import { eventually } from "../../support/poll";
import type { IdentityProvider } from "./secure-identities";
import { type Answer, type Member, overSsh, type Request, SecureConsul } from "./secure-consul";

interface Summary {
    created: string[];
    updated: string[];
    removed: string[];
    unchanged: number;
}

describe("the ACLs of an encrypted Consul", function () {
    this.timeout(120_000);
    let cluster: SecureConsul;
    let server: Member;
    let nomad: IdentityProvider;
    let args: ConsulAclArgs;

    before(async () => {
        cluster = await SecureConsul.create("127.0.44", 1, 0);
        nomad = await cluster.identityProvider("127.0.44");
        server = await cluster.start(cluster.servers[0]!);
        args = cluster.aclArgs(nomad.url);
    });
    after(async () => {
        nomad?.close();
        await server?.stop();
        cluster?.close();
    });

    const apply = (plan: AclPlan, timeout = 30, keep = false): Promise<CommandResult> =>
        overSsh(consulAclCommand(plan, { api: server.api, timeout, keep }));
    const applied = async (plan: AclPlan, keep = false): Promise<Summary> => {
        const { code, stdout, output } = await apply(plan, 30, keep);
        assert.equal(code, 0, output);
        for (const { secret } of plan.tokens) {
            assert.ok(!output.includes(secret), "a secret was printed");
        }
        return JSON.parse(stdout) as Summary;
    };
    const as = (name: keyof ConsulAclArgs["tokens"], path: string, options: Request = {}): Promise<Answer> =>
        server.ask(path, { ...options, token: (args.tokens[name] as { current: string }).current });

    describe("made by a plan", () => {
        it("are there after the first run; the second changes nothing", async () => {
            const plan = consulAcl(args);
            const first = await applied(plan);
            // The management token is the one that the server made: it is only called by its name now.
            assert.deepEqual(first.updated, ["token management (1)"]);
            assert.equal(first.created.length, plan.policies.length + 1 + (plan.tokens.length - 1) + 1 + 2);
            const second = await applied(plan);
            assert.deepEqual(
                { ...second, unchanged: 0, seconds: 0 },
                { created: [], updated: [], removed: [], unchanged: 0, seconds: 0 },
            );
            assert.equal(second.unchanged, first.created.length + 1);
        });

        it("follow the plan: what has changed is updated, what is gone is removed, others' things stay", async () => {
            await server.ask("/v1/acl/policy", {
                method: "PUT",
                body: { Name: "by-hand", Rules: 'key "x" { policy = "read" }' },
            });
            const plan = consulAcl(args);
            const changed: AclPlan = {
                ...plan,
                policies: plan.policies.map((policy) =>
                    policy.name === "dns" ? { ...policy, rules: `${policy.rules}# more\n` } : policy,
                ),
                tokens: plan.tokens.filter(({ description }) => !description.includes("snapshot")),
                bindingRules: plan.bindingRules.slice(0, 1),
                authMethods: plan.authMethods.map((method) => ({
                    ...method,
                    config: { ...method.config, BoundAudiences: ["elsewhere"] },
                })),
                roles: [],
            };
            const summary = await applied(changed);
            assert.deepEqual(summary.created, []);
            assert.deepEqual(summary.updated, ["policy dns", "auth method nomad-workloads"]);
            assert.deepEqual(summary.removed, [
                "binding rule tasks get the role of their namespace",
                "token snapshot (1)",
                "role nomad-default-tasks",
            ]);
            const gone = await as("snapshot", "/v1/acl/token/self");
            assert.equal(gone.status, 403, gone.text);
            const names = (await server.ask("/v1/acl/policies")).json.map(
                ({ Name }: { Name: string }) => Name,
            );
            assert.ok(names.includes("by-hand"));
            const back = await applied(plan);
            assert.equal(back.created.length, 3);
            assert.equal(back.updated.length, 2);
        });

        it("give a token another secret by making it anew", async () => {
            const other = { ...args, tokens: { ...args.tokens, balancer: { current: randomUUID() } } };
            const summary = await applied(consulAcl(other));
            assert.deepEqual(summary.removed, ["token balancer (1) with another secret"]);
            assert.deepEqual(summary.created, ["token balancer (1)"]);
            args = other;
        });

        it("rotate so that every holder has a token that is valid", async () => {
            const next = (secrets: { current: string; next?: string }) => ({
                ...secrets,
                next: randomUUID(),
            });
            const [balancer, management] = [next(args.tokens.balancer!), next(args.tokens.management)];
            const ahead = { ...args, tokens: { ...args.tokens, balancer, management } };
            assert.deepEqual((await applied(consulAcl(ahead))).created, [
                "token management (2)",
                "token balancer (2)",
            ]);
            // Both generations work: holders change when it suits them.
            for (const token of [balancer.current, balancer.next, management.current, management.next]) {
                assert.equal((await server.ask("/v1/acl/token/self", { token })).status, 200);
            }
            const rotated = {
                ...ahead,
                rotation: 2,
                tokens: {
                    ...args.tokens,
                    balancer: { current: balancer.next },
                    management: { current: management.next },
                },
            };
            // Nodes change one after the other, so what they had stays until all have changed.
            assert.deepEqual((await applied(consulAcl(rotated), true)).removed, []);
            assert.equal((await server.ask("/v1/acl/token/self", { token: balancer.current })).status, 200);
            const summary = await applied(consulAcl(rotated));
            assert.ok(summary.removed.includes("token balancer (1)"), summary.removed.join());
            assert.ok(summary.removed.includes("token management (1)"), summary.removed.join());
            assert.equal((await server.ask("/v1/acl/token/self", { token: balancer.current })).status, 403);
            assert.equal((await server.ask("/v1/acl/token/self", { token: management.current })).status, 403);
            assert.equal((await server.ask("/v1/acl/tokens", { token: management.next })).status, 200);
            // Back to what the other tests know.
            await applied({ ...consulAcl(ahead), management: [management.next] });
            await applied(consulAcl(args));
        });

        it("say what is missing when there is no way to make them", async () => {
            const stranger = randomUUID();
            const unknown = await apply({ ...consulAcl(args), management: [stranger] }, 1);
            assert.equal(unknown.code, 1);
            assert.match(unknown.output, /not within 1 s.*the management token is not known/);
            const weak = await apply({ ...consulAcl(args), management: [args.tokens.balancer!.current] }, 1);
            assert.match(weak.output, /token [0-9a-f-]+ of the plan manages nothing/);
            const { create, stdin } = consulAclCommand(consulAcl(args), {
                api: "http://127.0.44.250:8500",
                timeout: 1,
            });
            const nobody = await overSsh({ create, stdin });
            assert.match(nobody.output, /Consul at http:\/\/127\.0\.44\.250:8500: not within 1 s.*refused/);
            const broken = consulAcl(args);
            broken.policies[0]!.rules = "no rules";
            const refused = await apply(broken, 1);
            assert.match(refused.output, /PUT \/v1\/acl\/policy.*answers [45]00/);
            for (const { output } of [unknown, weak, nobody, refused]) {
                assert.doesNotMatch(output, /Traceback/);
                for (const { secret } of [...broken.tokens, { secret: stranger }]) {
                    assert.ok(!output.includes(secret), "a secret was printed");
                }
            }
        });
    });

    describe("let each do its own work alone", () => {
        const register = (name: keyof ConsulAclArgs["tokens"], service: string): Promise<Answer> =>
            as(name, "/v1/agent/service/register", { method: "PUT", body: { Name: service } });

        it("Nomad's servers register `nomad`, its clients any service", async () => {
            assert.equal((await register("nomad-server", "nomad")).status, 200);
            assert.equal((await register("nomad-server", "web")).status, 403);
            assert.equal((await register("nomad-client", "nomad-client")).status, 200);
            assert.equal((await register("nomad-client", "web")).status, 200);
            for (const name of ["nomad-server", "nomad-client"] as const) {
                assert.equal((await as(name, "/v1/agent/self")).status, 200, name);
                assert.equal((await as(name, "/v1/acl/tokens")).status, 403, name);
                assert.equal((await as(name, "/v1/kv/x", { method: "PUT", body: 1 })).status, 403, name);
            }
        });

        it("balancers see healthy services and change nothing", async () => {
            await eventually("nomad is registered", async () => {
                const { json } = await as("balancer", "/v1/health/service/nomad?passing");
                assert.equal(json.length, 1);
            });
            assert.equal((await register("balancer", "web")).status, 403);
            assert.equal((await as("balancer", "/v1/agent/self")).status, 403);
        });

        it("a rolling node takes its turn, hands over and leaves, but sees no other keys and no tokens", async () => {
            const roll = (path: string, method = "GET", body?: unknown) => as("roll", path, { method, body });
            assert.equal((await roll("/v1/kv/gatehouse/turn?cas=0", "PUT", {})).text, "true");
            assert.equal((await roll("/v1/kv/elsewhere", "PUT", {})).status, 403);
            assert.equal((await roll("/v1/session/create", "PUT", {})).status, 200);
            for (const path of [
                "/v1/operator/autopilot/health",
                "/v1/operator/raft/configuration",
                "/v1/agent/self",
            ]) {
                // Autopilot says 429 while it finds the server slow.
                await eventually(`${path} may be asked`, async () =>
                    assert.equal((await roll(path)).status, 200),
                );
            }
            assert.ok((await roll("/v1/agent/members")).json.length > 0);
            assert.match((await roll("/v1/agent/force-leave/nobody", "PUT")).text, /No node found/i);
            // Allowed, though a lone server has nobody to hand over to.
            assert.notEqual((await roll("/v1/operator/raft/transfer-leader", "POST")).status, 403);
            for (const path of ["/v1/acl/tokens", "/v1/snapshot", "/v1/operator/keyring"]) {
                assert.equal((await roll(path)).status, 403, path);
            }
        });

        it("snapshots are taken with their own token", async () => {
            assert.equal((await as("snapshot", "/v1/snapshot")).status, 200);
            assert.equal((await as("snapshot", "/v1/kv/gatehouse/turn")).status, 403);
            assert.equal((await as("operator", "/v1/snapshot")).status, 403);
        });

        it("operators see the cluster and change nothing", async () => {
            for (const path of [
                "/v1/agent/self",
                "/v1/operator/raft/configuration",
                "/v1/connect/intentions",
            ]) {
                assert.equal((await as("operator", path)).status, 200, path);
            }
            assert.equal((await as("operator", "/v1/catalog/nodes")).json.length, 1);
            for (const path of ["/v1/acl/tokens", "/v1/operator/keyring", "/v1/kv/gatehouse/turn"]) {
                assert.equal((await as("operator", path)).status, 403, path);
            }
            assert.equal((await register("operator", "web")).status, 403);
        });
    });
});
