import assert from "node:assert/strict";
import { createSign, generateKeyPairSync } from "node:crypto";

import { consulProvider } from "../../../../plugins/consul/provider";
import { ProviderHarness } from "../../../support/provider-harness";
import { startSecureConsul, type SecureAgent } from "../../../support/secure-agents";
import { Resources } from "../resources";

describe("the consul plugin's auth methods, binding rules and roles, on an agent that denies by default", () => {
    let agent: SecureAgent;
    let provider: ProviderHarness;
    let methods: Resources;
    let rules: Resources;
    let roles: Resources;
    let policies: Resources;
    let tokens: Resources;
    let attachments: Resources;
    const keys = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
    const publicKey = keys.publicKey.export({ type: "spki", format: "pem" }) as string;

    before(async function () {
        this.timeout(60_000);
        agent = await startSecureConsul();
        provider = await ProviderHarness.start(consulProvider, {
            address: agent.address,
            datacenter: "dc1",
            token: agent.token,
            caFile: agent.tls.caFile,
            certFile: agent.tls.certificateFile,
            keyFile: agent.tls.keyFile,
        });
        methods = new Resources(provider, "consul:index/aclAuthMethod:AclAuthMethod");
        rules = new Resources(provider, "consul:index/aclBindingRule:AclBindingRule");
        roles = new Resources(provider, "consul:index/aclRole:AclRole");
        policies = new Resources(provider, "consul:index/aclPolicy:AclPolicy");
        tokens = new Resources(provider, "consul:index/aclToken:AclToken");
        attachments = new Resources(provider, "consul:index/aclTokenRoleAttachment:AclTokenRoleAttachment");
    });
    after(async () => {
        provider?.close();
        await agent?.stop();
    });

    const config = (
        claims = { nomad_namespace: "nomad_namespace", nomad_service: "nomad_service" },
    ): string =>
        JSON.stringify({
            JWTValidationPubKeys: [publicKey],
            JWTSupportedAlgs: ["ES256"],
            BoundAudiences: ["consul.io"],
            ClaimMappings: claims,
        });

    /** What Nomad signs for a service. */
    function workloadIdentity(claims: Record<string, string>): string {
        const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
        const now = Math.floor(Date.now() / 1000);
        const payload = { aud: "consul.io", sub: "web", iat: now, nbf: now, exp: now + 600, ...claims };
        const signed = `${part({ alg: "ES256", typ: "JWT" })}.${part(payload)}`;
        const signature = createSign("SHA256")
            .update(signed)
            .sign({ key: keys.privateKey, dsaEncoding: "ieee-p1363" });
        return `${signed}.${signature.toString("base64url")}`;
    }

    describe("AclAuthMethod and AclBindingRule", () => {
        it("let a workload log in with its identity, as that service", async () => {
            const method = await methods.made({ name: "nomad-workloads", type: "jwt", configJson: config() });
            assert.equal(method.id, "auth-method-nomad-workloads");
            assert.equal(method.outputs.maxTokenTtl, "0s");
            await methods.isSettled(method);
            const args = {
                authMethod: "nomad-workloads",
                description: "services",
                bindType: "service",
                bindName: "${value.nomad_service}",
                selector: '"nomad_service" in value',
            };
            const rule = await rules.made(args);
            await rules.isSettled(rule);

            const login = {
                method: "POST",
                body: {
                    AuthMethod: "nomad-workloads",
                    BearerToken: workloadIdentity({ nomad_namespace: "default", nomad_service: "web" }),
                },
                token: "",
            };
            const token = await agent.ask("/v1/acl/login", login);
            assert.deepEqual(token.ServiceIdentities, [{ ServiceName: "web" }]);

            const other = await rules.updated(rule, { ...args, bindName: "another", selector: "" });
            assert.equal((await agent.ask(`/v1/acl/binding-rule/${rule.id}`)).BindName, "another");
            await rules.isSettled(other);
            assert.deepEqual((await rules.diff(rule, { ...args, bindType: "node" })).replaces, ["bindType"]);
            assert.deepEqual((await rules.diff(rule, { ...args, authMethod: "x" })).replaces, ["authMethod"]);
            await agent.ask(`/v1/acl/binding-rule/${rule.id}`, { method: "DELETE" });
            await rules.removed(await rules.isRecreated(other));
            await assert.rejects(agent.ask("/v1/acl/login", login), /403/);
            await methods.removed(method);
        });

        it("are changed in place where Consul can", async () => {
            const method = await methods.made({ name: "m", type: "jwt", configJson: config() });
            const spelled = JSON.stringify(JSON.parse(config()), null, 2);
            const same = { name: "m", type: "jwt", configJson: spelled, maxTokenTtl: "0m" };
            assert.deepEqual((await methods.diff(method, same)).paths, {});

            const news = {
                name: "m",
                type: "jwt",
                configJson: config({ nomad_namespace: "n", nomad_service: "s" }),
                displayName: "Workloads",
                description: "of Nomad",
                maxTokenTtl: "1h",
                tokenLocality: "local",
            };
            assert.deepEqual((await methods.diff(method, news)).replaces, []);
            const changed = await methods.updated(method, news);
            await methods.isSettled(changed);
            const found = await agent.ask("/v1/acl/auth-method/m");
            assert.deepEqual([found.MaxTokenTTL, found.DisplayName], ["1h0m0s", "Workloads"]);
            assert.deepEqual((await methods.diff(method, { ...news, type: "oidc" })).replaces, ["type"]);
            assert.deepEqual((await methods.diff(method, { ...news, name: "n" })).replaces, ["name"]);

            await agent.ask("/v1/acl/auth-method/m", {
                method: "PUT",
                body: { ...found, Config: JSON.parse(config()), Description: "by hand" },
            });
            const drifted = await methods.read(changed);
            assert.deepEqual(Object.keys((await methods.diff(drifted!, news)).paths).sort(), [
                "configJson",
                "description",
            ]);
            await agent.ask("/v1/acl/auth-method/m", { method: "DELETE" });
            await methods.removed(await methods.isRecreated(changed));
        });

        it("take the deprecated form of the configuration, texts only", async () => {
            const texts = { JWTValidationPubKeys: publicKey, JWTSupportedAlgs: "ES256" };
            const method = await methods.made({ name: "texts", type: "jwt", config: texts });
            await methods.isSettled(method);
            const bound = { ...texts, BoundIssuer: "nomad" };
            const diff = await methods.diff(method, { ...method.inputs, config: bound });
            assert.deepEqual(diff.paths, { "config.BoundIssuer": "ADD" });
            await methods.isSettled(await methods.updated(method, { ...method.inputs, config: bound }));
        });

        it("explain refusals", async () => {
            await assert.rejects(
                methods.made({ name: "empty", type: "jwt", configJson: "{}" }),
                /Consul refuses the ACL auth method "empty": .*JWTValidationPubKeys/,
            );
            await assert.rejects(
                rules.made({ authMethod: "nowhere", bindType: "service", bindName: "x" }),
                /Consul refuses the ACL binding rule of "nowhere" for "x": .*auth method/,
            );
            const wrong = { type: "jwt", configJson: "{", maxTokenTtl: "an hour", colour: "red" };
            assert.deepEqual(await methods.refused(wrong), ["colour", "configJson", "maxTokenTtl"]);
            assert.deepEqual(await methods.refused({ type: "jwt", configJson: "{}", config: {} }), [
                "config",
            ]);
            await assert.rejects(provider.read(methods.type, "auth-method-x"), /cannot be imported/);
            await assert.rejects(provider.read(rules.type, "x"), /cannot be imported/);
            await methods.planned({ type: "jwt" }, "name", "configJson");
            await rules.planned({ bindType: "service", bindName: "x" }, "authMethod");
        });
    });

    describe("AclRole", () => {
        it("takes policies by name and by id, and is attached to tokens", async () => {
            const named = await policies.made({ name: "named", rules: 'operator = "read"' });
            const other = await policies.made({
                name: "other",
                rules: 'agent_prefix "" { policy = "read" }',
            });
            const args = {
                name: "operators",
                description: "read all",
                policies: ["named", other.id],
                serviceIdentities: [{ serviceName: "web", datacenters: ["dc1"] }, { serviceName: "api" }],
                nodeIdentities: [{ nodeName: "test", datacenter: "dc1" }],
                templatedPolicies: [{ templateName: "builtin/node", templateVariables: { name: "test" } }],
            };
            const role = await roles.made(args);
            await roles.isSettled(role);
            const imported = await provider.read(roles.type, role.id);
            assert.deepEqual(imported?.inputs.policies, [named.id, other.id]);

            const token = await tokens.made({ description: "operator" });
            const attached = await attachments.made({ tokenId: token.id, role: "operators" });
            await attachments.isSettled(attached);
            const secret = (await agent.ask(`/v1/acl/token/${token.id}`)).SecretID as string;
            await agent.ask("/v1/operator/raft/configuration", { token: secret });

            const fewer = await roles.updated(role, { name: "people", policies: [other.id] });
            await roles.isSettled(fewer);
            await assert.rejects(agent.ask("/v1/operator/raft/configuration", { token: secret }), /403/);
            await agent.ask(`/v1/acl/role/${role.id}`, { method: "DELETE" });
            assert.equal(await attachments.read(attached), undefined);
            await roles.removed(await roles.isRecreated(fewer));
            assert.deepEqual(await roles.refused({ rules: "" }), ["rules"]);
        });
    });
});
