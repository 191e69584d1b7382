import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import { nomadProvider } from "../../../../plugins/nomad/provider";
import { plain, ProviderHarness, Secret, UNKNOWN } from "../../../support/provider-harness";
import { startSecureNomad, type SecureAgent } from "../../../support/secure-agents";
import { Resources } from "../resources";

import type { Values } from "../../../../plugins/lib";

const read = 'namespace "default" { policy = "read" }';

describe("the nomad plugin's policies, tokens and roles, on an agent that denies by default", () => {
    let agent: SecureAgent;
    let provider: ProviderHarness;
    let policies: Resources;
    let tokens: Resources;
    let roles: Resources;

    before(async function () {
        this.timeout(60_000);
        agent = await startSecureNomad();
        provider = await ProviderHarness.start(nomadProvider, settings(agent.token));
        policies = new Resources(provider, "nomad:index/aclPolicy:AclPolicy");
        tokens = new Resources(provider, "nomad:index/aclToken:AclToken");
        roles = new Resources(provider, "nomad:index/aclRole:AclRole");
    });
    after(async function () {
        this.timeout(60_000);
        provider?.close();
        await agent?.stop();
    });

    const settings = (secretId: string | undefined): Values => ({
        address: agent.address,
        caPem: agent.tls.ca,
        certPem: agent.tls.certificate,
        keyPem: agent.tls.key,
        ...(secretId === undefined ? {} : { secretId }),
    });

    describe("AclPolicy", () => {
        it("is created, changed, imported, removed and made anew", async () => {
            const args = { name: "readers", description: "may look", rulesHcl: read };
            const policy = await policies.made(args);
            assert.deepEqual([policy.id, policy.outputs], ["readers", args]);
            await policies.isSettled(policy);
            assert.deepEqual((await provider.read(policies.type, "readers"))?.inputs, args);

            const news = { name: "readers", rulesHcl: 'node { policy = "read" }' };
            const diff = await policies.diff(policy, news);
            assert.deepEqual(diff.paths, { description: "DELETE", rulesHcl: "UPDATE" });
            const changed = await policies.updated(policy, news);
            await policies.isSettled(changed);
            assert.equal((await agent.ask("/v1/acl/policy/readers")).Rules, news.rulesHcl);
            assert.deepEqual((await policies.diff(policy, { ...args, name: "x" })).replaces, ["name"]);

            const byHand = { method: "PUT", body: { Name: "readers", Rules: read, Description: "by hand" } };
            await agent.ask("/v1/acl/policy/readers", byHand);
            const drifted = await policies.read(changed);
            assert.deepEqual(Object.keys((await policies.diff(drifted!, news)).paths).sort(), [
                "description",
                "rulesHcl",
            ]);
            await agent.ask("/v1/acl/policy/readers", { method: "DELETE" });
            await policies.removed(await policies.isRecreated(changed));
            assert.equal(await agent.ask("/v1/acl/policy/readers"), undefined);
        });

        it("is a workload's", async () => {
            const jobAcl = { jobId: "web", group: "web", task: "main" };
            const policy = await policies.made({ name: "job", rulesHcl: read, jobAcl });
            assert.deepEqual(policy.outputs.jobAcl, { ...jobAcl, namespace: "default" });
            await policies.isSettled(policy);
            const job = await policies.updated(policy, {
                name: "job",
                rulesHcl: read,
                jobAcl: { jobId: "a" },
            });
            await policies.isSettled(job);
            const nobody = await policies.updated(job, { name: "job", rulesHcl: read });
            await policies.isSettled(nobody);
            assert.equal((await agent.ask("/v1/acl/policy/job")).JobACL, null);
        });

        it("explains refusals", async () => {
            await assert.rejects(
                policies.made({ name: "wrong", rulesHcl: "nonsense" }),
                /^Error: Nomad refuses the ACL policy "wrong": .*key 'nonsense' expected[^\n]*$/,
            );
            assert.deepEqual(await policies.refused({ rules: "", jobAcl: {} }), [
                "jobAcl.jobId",
                "rules",
                "rulesHcl",
            ]);
            const task = { name: "x", rulesHcl: read, jobAcl: { jobId: "a", task: "b" } };
            assert.deepEqual(await policies.refused(task), ["jobAcl.task"]);
            await policies.planned({}, "name", "rulesHcl");
            assert.match(String((await policies.checked({ rulesHcl: read })).name), /^it-[0-9a-f]{7}$/);
        });
    });

    describe("AclToken", () => {
        it("grants what its policy does, and keeps its secret one", async () => {
            const policy = await policies.made({
                name: "operators",
                rulesHcl: 'operator { policy = "read" }',
            });
            const args = { name: "ops", type: "client", policies: ["operators"] };
            const token = await tokens.made(args);
            const { accessorId, secretId, createTime, expirationTime } = token.outputs;
            assert.ok(secretId instanceof Secret);
            assert.deepEqual([accessorId, expirationTime], [token.id, ""]);
            assert.match(String(createTime), /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)? \+0000 UTC$/);
            await tokens.isSettled(token);
            const configuration = "/v1/operator/scheduler/configuration";
            await agent.ask(configuration, { token: String(secretId.value) });

            await policies.made({ name: "readers", rulesHcl: read });
            const changed = await tokens.updated(token, { ...args, name: "people", policies: ["readers"] });
            await tokens.isSettled(changed);
            await assert.rejects(agent.ask(configuration, { token: String(secretId.value) }), /403/);
            assert.deepEqual(plain(changed.outputs).secretId, secretId.value);
            assert.ok(changed.outputs.secretId instanceof Secret);

            const imported = await provider.read(tokens.type, token.id);
            assert.deepEqual(plain(imported!.outputs), plain(changed.outputs));
            assert.ok(imported!.outputs.secretId instanceof Secret);
            await agent.ask(`/v1/acl/token/${token.id}`, { method: "DELETE" });
            const again = await tokens.isRecreated(changed);
            assert.notEqual(again.id, token.id);
            await tokens.removed(again);
            await policies.removed(policy);
        });

        it("can manage, be global and expire", async () => {
            const args = { name: "root", type: "management", global: true, expirationTtl: "60m" };
            const token = await tokens.made(args);
            await tokens.isSettled(token);
            const { ExpirationTime, Global } = await agent.ask(`/v1/acl/token/${token.id}`);
            assert.equal(Global, true);
            assert.equal(
                Date.parse(String(token.outputs.expirationTime)),
                Math.floor(Date.parse(ExpirationTime) / 1000) * 1000,
            );
            assert.deepEqual((await tokens.diff(token, { ...args, expirationTtl: "1h" })).paths, {});
            const diff = await tokens.diff(token, { name: "root", type: "management" });
            assert.deepEqual(diff.replaces.sort(), ["expirationTtl", "global"]);
            await tokens.removed(token);
        });

        it("has roles, which know their names", async () => {
            const policy = await policies.made({ name: "looker", rulesHcl: read });
            const args = { name: "lookers", description: "may look", policies: [{ name: "looker" }] };
            const role = await roles.made(args);
            await roles.isSettled(role);
            const token = await tokens.made({ name: "by role", type: "client", roles: [{ id: role.id }] });
            assert.deepEqual(token.outputs.roles, [{ id: role.id, name: "lookers" }]);
            await tokens.isSettled(token);

            await policies.made({ name: "other", rulesHcl: read });
            const both = { name: "watchers", policies: [{ name: "other" }, { name: "looker" }] };
            const changed = await roles.updated(role, both);
            await roles.isSettled(changed);
            assert.deepEqual((await roles.diff(role, both)).replaces, []);
            await tokens.removed(token);
            await agent.ask(`/v1/acl/role/${role.id}`, { method: "DELETE" });
            await roles.removed(await roles.isRecreated(changed));
            await policies.removed(policy);
            assert.deepEqual(await roles.refused({ name: "x" }), ["policies"]);
        });

        it("explains refusals, and previews what Nomad will give it as unknown", async () => {
            await assert.rejects(
                tokens.made({ name: "idle", type: "client" }),
                /Nomad refuses the ACL token "idle": .*client token missing policies or roles/,
            );
            assert.deepEqual(await tokens.refused({ expirationTtl: "soon", secretId: "x" }), [
                "expirationTtl",
                "secretId",
                "type",
            ]);
            const { accessorId, secretId } = await tokens.planned({ type: "client" }, "policies");
            assert.equal(accessorId, UNKNOWN);
            assert.ok(secretId instanceof Secret && secretId.value === UNKNOWN);
        });

        it("keeps what it knows when the provider's own token is wrong, and says what to set", async () => {
            const token = await tokens.made({ name: "kept", type: "management" });
            await policies.made({ name: "weak", rulesHcl: read });
            const weak = await tokens.made({ name: "weak", type: "client", policies: ["weak"] });
            for (const [secretId, message] of [
                [randomUUID(), /Permission denied\. .*provider's "secretId"/],
                ["no-uuid", /provider's "secretId"/],
                [undefined, /Permission denied\. Set the provider's "secretId"/],
                [String(plain(weak.outputs).secretId), /Permission denied\. .*a policy that allows it/],
            ] as const) {
                const other = await ProviderHarness.start(nomadProvider, settings(secretId));
                try {
                    const { id, outputs, inputs } = token;
                    await assert.rejects(other.read(policies.type, "nowhere"), message);
                    await assert.rejects(other.delete(tokens.type, id, outputs), message);
                    await assert.rejects(other.update(tokens.type, id, outputs, inputs, inputs), message);
                } finally {
                    other.close();
                }
            }
            await tokens.isSettled(token);
        });
    });
});
