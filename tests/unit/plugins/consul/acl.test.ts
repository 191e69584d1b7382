import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import { consulProvider } from "../../../../plugins/consul/provider";
import { plain, ProviderHarness, Secret, UNKNOWN } from "../../../support/provider-harness";
import { startSecureConsul, type SecureAgent } from "../../../support/secure-agents";
import { Resources } from "../resources";

import type { Values } from "../../../../plugins/lib";

const rules = (prefix: string): string => `key_prefix "${prefix}" { policy = "read" }`;

describe("the consul plugin's policies and tokens, on an agent that denies by default", () => {
    let agent: SecureAgent;
    let provider: ProviderHarness;
    let policies: Resources;
    let tokens: Resources;
    let attachments: Resources;

    before(async function () {
        this.timeout(60_000);
        agent = await startSecureConsul();
        provider = await ProviderHarness.start(consulProvider, settings(agent.token));
        policies = new Resources(provider, "consul:index/aclPolicy:AclPolicy");
        tokens = new Resources(provider, "consul:index/aclToken:AclToken");
        attachments = new Resources(
            provider,
            "consul:index/aclTokenPolicyAttachment:AclTokenPolicyAttachment",
        );
    });
    after(async () => {
        provider?.close();
        await agent?.stop();
    });

    const settings = (token: string | undefined): Values => ({
        address: agent.address,
        datacenter: "dc1",
        caPem: agent.tls.ca,
        certPem: agent.tls.certificate,
        keyPem: agent.tls.key,
        ...(token === undefined ? {} : { token }),
    });

    describe("AclPolicy", () => {
        it("is created, changed in place, renamed, imported, removed and made anew", async () => {
            const args = { name: "web", description: "for web", rules: rules("web/"), datacenters: ["dc1"] };
            const policy = await policies.made(args);
            assert.equal((await agent.ask(`/v1/acl/policy/${policy.id}`)).Rules, args.rules);
            assert.deepEqual(policy.outputs, args);
            await policies.isSettled(policy);

            const changed = { name: "site", rules: rules("site/") };
            assert.deepEqual((await policies.diff(policy, changed)).paths, {
                name: "UPDATE",
                description: "DELETE",
                rules: "UPDATE",
                datacenters: "DELETE",
            });
            const renamed = await policies.updated(policy, changed);
            await policies.isSettled(renamed);
            const { Name, Description, Datacenters } = await agent.ask(`/v1/acl/policy/${policy.id}`);
            assert.deepEqual([Name, Description, Datacenters ?? []], ["site", "", []]);

            const imported = await provider.read(policies.type, policy.id);
            assert.deepEqual(imported?.inputs, changed);
            await agent.ask(`/v1/acl/policy/${policy.id}`, { method: "DELETE" });
            const again = await policies.isRecreated(renamed);
            assert.notEqual(again.id, policy.id);
            await policies.removed(again);
            assert.equal(await agent.ask(`/v1/acl/policy/${again.id}`), undefined);
        });

        it("sees what was changed by hand", async () => {
            const policy = await policies.made({ name: "drift", rules: rules("a") });
            const body = { ID: policy.id, Name: "drift", Rules: rules("b"), Description: "by hand" };
            await agent.ask(`/v1/acl/policy/${policy.id}`, { method: "PUT", body });
            const drifted = await policies.read(policy);
            assert.deepEqual((await policies.diff(drifted!, policy.inputs)).paths, {
                rules: "UPDATE",
                description: "DELETE",
            });
            await policies.isSettled(await policies.updated(drifted!, policy.inputs));
        });

        it("explains refusals, and names what has no name", async () => {
            await assert.rejects(
                policies.made({ name: "wrong", rules: "nonsense" }),
                /Consul refuses the ACL policy "wrong": Failed to parse ACL rules: .*nonsense/,
            );
            assert.deepEqual(await policies.refused({ colour: "red" }), ["colour", "rules"]);
            assert.match(String((await policies.checked({ rules: "" })).name), /^it-[0-9a-f]{7}$/);
            assert.equal((await policies.planned({}, "rules", "name")).description, undefined);
        });
    });

    describe("AclToken", () => {
        const secretOf = async (accessorId: string): Promise<Values> =>
            provider.invoke("consul:index/getAclTokenSecretId:getAclTokenSecretId", { accessorId });

        it("grants what its policy does; only the function tells its secret, as a secret", async () => {
            const policy = await policies.made({ name: "app", rules: rules("app/") });
            const token = await tokens.made({ description: "for app", policies: ["app"] });
            assert.equal(token.outputs.accessorId, token.id);
            assert.ok(!JSON.stringify(token.outputs).includes("secret"));
            await tokens.isSettled(token);

            const result = await secretOf(token.id);
            assert.ok(result.secretId instanceof Secret);
            assert.deepEqual(plain({ ...result, secretId: "" }), {
                id: token.id,
                accessorId: token.id,
                secretId: "",
                encryptedSecretId: "",
            });
            const secret = String(result.secretId.value);
            await agent.ask("/v1/kv/app/a", { method: "PUT", body: 1 });
            await agent.ask("/v1/kv/app/a", { token: secret });
            await assert.rejects(agent.ask("/v1/kv/other", { token: secret }), /403/);

            const bare = await tokens.updated(token, { description: "for app" });
            await tokens.isSettled(bare);
            await assert.rejects(agent.ask("/v1/kv/app/a", { token: secret }), /403/);
            assert.deepEqual(plain(await secretOf(token.id)).secretId, secret);

            await agent.ask(`/v1/acl/token/${token.id}`, { method: "DELETE" });
            await assert.rejects(secretOf(token.id), /has no ACL token of the accessor id/);
            await tokens.removed(await tokens.isRecreated(bare));
            await policies.removed(policy);
        });

        it("takes every property, has the accessor that it is given, and can be imported", async () => {
            await policies.made({ name: "all", rules: rules("") });
            const args = {
                accessorId: randomUUID(),
                description: "everything",
                policies: ["all"],
                serviceIdentities: [{ serviceName: "web", datacenters: ["dc1"] }, { serviceName: "api" }],
                nodeIdentities: [{ nodeName: "test", datacenter: "dc1" }],
                templatedPolicies: [
                    { templateName: "builtin/service", templateVariables: { name: "web" } },
                    { templateName: "builtin/dns" },
                ],
                expirationTime: new Date(Date.now() + 3_600_000).toISOString(),
            };
            const token = await tokens.made(args);
            assert.equal(token.id, args.accessorId);
            await tokens.isSettled(token);
            const imported = await provider.read(tokens.type, token.id);
            assert.deepEqual((await tokens.diff({ ...token, ...imported }, args)).paths, {});
            const reordered = {
                ...args,
                serviceIdentities: [...args.serviceIdentities].reverse(),
                templatedPolicies: [...args.templatedPolicies].reverse(),
            };
            assert.deepEqual((await tokens.diff(token, reordered)).paths, {});
            const later = { ...args, expirationTime: new Date(Date.now() + 7_200_000).toISOString() };
            assert.deepEqual((await tokens.diff(token, later)).replaces, ["expirationTime"]);
            assert.deepEqual((await tokens.diff(token, { ...args, local: true })).replaces, ["local"]);
            const moved = await tokens.diff(token, { ...args, accessorId: randomUUID(), policies: [] });
            assert.deepEqual([moved.replaces, moved.paths.policies], [["accessorId"], "UPDATE"]);
            await tokens.removed(token);
        });

        it("leaves the accessor to Consul, and previews it as unknown", async () => {
            const outputs = await tokens.planned({ description: "later" }, "policies");
            assert.equal(outputs.accessorId, UNKNOWN);
            assert.equal(outputs.secretId, undefined);
            assert.deepEqual(await tokens.refused({ expirationTime: "tomorrow", secretId: "x" }), [
                "expirationTime",
                "secretId",
            ]);
            await assert.rejects(
                tokens.made({ description: "orphan", policies: ["nowhere"] }),
                /Consul refuses the ACL token "orphan": .*nowhere/,
            );
        });

        it("keeps what it knows when the provider's own token is wrong, and says what to set", async () => {
            const token = await tokens.made({ description: "kept" });
            const wrong = await ProviderHarness.start(consulProvider, settings(randomUUID()));
            const none = await ProviderHarness.start(consulProvider, settings(undefined));
            const reader = await policies.made({ name: "reader", rules: 'acl = "read"' });
            const weak = await tokens.made({ policies: ["reader"] });
            const weakSecret = String(plain(await secretOf(weak.id)).secretId);
            const weakly = await ProviderHarness.start(consulProvider, settings(weakSecret));
            try {
                const { id, outputs, inputs } = token;
                await assert.rejects(
                    wrong.read(tokens.type, id, outputs, inputs),
                    /ACL not found\. Consul does not know the token: check the provider's "token"/,
                );
                await assert.rejects(none.delete(tokens.type, id, outputs), /Set the provider's "token"/);
                await assert.rejects(
                    weakly.create(policies.type, await policies.checked({ name: "x", rules: "" })),
                    /refuses the ACL policy "x": .*acl:write.*\. Give the provider's "token" .* a policy/,
                );
                await assert.rejects(
                    weakly.invoke("consul:index/getAclTokenSecretId:getAclTokenSecretId", { accessorId: id }),
                    /may not read the secret .* acl = "write"/,
                );
            } finally {
                [wrong, none, weakly].forEach((each) => each.close());
            }
            await policies.removed(reader);
            await tokens.isSettled(token);
        });
    });

    describe("AclTokenPolicyAttachment", () => {
        const anonymous = "00000000-0000-0000-0000-000000000002";
        const attached = async (): Promise<string[]> =>
            ((await agent.ask(`/v1/acl/token/${anonymous}`)).Policies ?? [])
                .map(({ Name }: { Name: string }) => Name)
                .sort();

        it("adds to a token that nobody manages, several at once, and takes away no other's", async () => {
            const names = ["dns", "kv", "nodes"];
            await Promise.all(names.map((name) => policies.made({ name, rules: rules(name) })));
            const made = await Promise.all(
                names.map((policy) => attachments.made({ tokenId: anonymous, policy })),
            );
            assert.deepEqual(await attached(), names);
            const [first, second, third] = made;
            assert.equal(first!.id, `${anonymous}:dns`);
            await attachments.isSettled(first!);
            assert.deepEqual(
                (await provider.read(attachments.type, first!.id))?.inputs,
                plain(first!.outputs),
            );
            assert.deepEqual((await attachments.diff(first!, { ...first!.inputs, policy: "x" })).replaces, [
                "policy",
            ]);
            await assert.rejects(attachments.made(first!.inputs), /already has the policy "dns"/);

            await Promise.all([attachments.removed(first!), attachments.removed(third!)]);
            assert.deepEqual(await attached(), ["kv"]);
            await agent.ask(`/v1/acl/token/${anonymous}`, {
                method: "PUT",
                body: { AccessorID: anonymous, Policies: [] },
            });
            await attachments.isRecreated(second!);
            assert.deepEqual(await attached(), ["kv"]);
        });

        it("outlives neither its token nor misspelled ids", async () => {
            await policies.made({ name: "short", rules: rules("short") });
            const token = await tokens.made({ description: "short-lived" });
            const made = await attachments.made({ tokenId: token.id, policy: "short" });
            await tokens.removed(token);
            assert.equal(await attachments.read(made), undefined);
            await attachments.removed(made);
            await assert.rejects(attachments.made(made.inputs), /has no ACL token of the accessor id/);
            await assert.rejects(provider.read(attachments.type, "x"), /use <accessor id>:<policy name>/);
        });
    });
});
