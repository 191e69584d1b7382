import assert from "node:assert/strict";
import { createSign, generateKeyPairSync } from "node:crypto";

import { nomadProvider } from "../../../../plugins/nomad/provider";
import { ProviderHarness, Secret } from "../../../support/provider-harness";
import { startSecureNomad, type SecureAgent } from "../../../support/secure-agents";
import { Resources } from "../resources";

describe("the nomad plugin's auth methods and binding rules, on an agent that denies by default", () => {
    let agent: SecureAgent;
    let provider: ProviderHarness;
    let methods: Resources;
    let rules: Resources;
    const keys = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const publicKey = keys.publicKey.export({ type: "spki", format: "pem" }) as string;

    before(async function () {
        this.timeout(60_000);
        agent = await startSecureNomad();
        provider = await ProviderHarness.start(nomadProvider, {
            address: agent.address,
            secretId: agent.token,
            caFile: agent.tls.caFile,
            certFile: agent.tls.certificateFile,
            keyFile: agent.tls.keyFile,
        });
        methods = new Resources(provider, "nomad:index/aclAuthMethod:AclAuthMethod");
        rules = new Resources(provider, "nomad:index/aclBindingRule:AclBindingRule");
    });
    after(async function () {
        this.timeout(60_000);
        provider?.close();
        await agent?.stop();
    });

    const method = {
        name: "pipelines",
        type: "JWT",
        tokenLocality: "local",
        maxTokenTtl: "10m",
        config: {
            jwtValidationPubKeys: [publicKey],
            boundAudiences: ["nomad"],
            signingAlgs: ["RS256"],
            claimMappings: { branch: "branch" },
        },
    };

    function token(claims: Record<string, string>): string {
        const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
        const now = Math.floor(Date.now() / 1000);
        const payload = { aud: "nomad", iat: now, nbf: now, exp: now + 600, ...claims };
        const signed = `${part({ alg: "RS256", typ: "JWT" })}.${part(payload)}`;
        const signature = createSign("SHA256").update(signed).sign(keys.privateKey);
        return `${signed}.${signature.toString("base64url")}`;
    }

    it("let a pipeline log in", async () => {
        const made = await methods.made(method);
        assert.equal(made.id, "pipelines");
        assert.equal(made.outputs.tokenNameFormat, "${auth_method_type}-${auth_method_name}");
        await methods.isSettled(made);
        await agent.ask("/v1/acl/policy/deploy", {
            method: "PUT",
            body: { Name: "deploy", Rules: 'namespace "default" { policy = "write" }' },
        });
        const args = {
            authMethod: "pipelines",
            description: "main deploys",
            selector: "value.branch == main",
            bindType: "policy",
            bindName: "deploy",
        };
        const rule = await rules.made(args);
        await rules.isSettled(rule);
        const login = (branch: string): Promise<{ Policies: string[] }> =>
            agent.ask("/v1/acl/login", {
                method: "POST",
                body: { AuthMethodName: "pipelines", LoginToken: token({ branch }) },
                token: "",
            });
        assert.deepEqual((await login("main")).Policies, ["deploy"]);
        await assert.rejects(login("other"), /no role or policy bindings matched/i);

        const bare = { authMethod: "pipelines", bindType: "policy", bindName: "deploy" };
        const changed = await rules.updated(rule, bare);
        await rules.isSettled(changed);
        assert.deepEqual((await login("other")).Policies, ["deploy"]);
        assert.deepEqual((await rules.diff(rule, { ...args, bindType: "role" })).replaces, []);
        const management = { authMethod: "pipelines", bindType: "management" };
        assert.deepEqual((await rules.diff(changed, management)).replaces, ["bindType"]);

        await agent.ask(`/v1/acl/binding-rule/${rule.id}`, { method: "DELETE" });
        await rules.removed(await rules.isRecreated(changed));
        await methods.removed(made);
    });

    it("are changed in place, seen when changed by hand, and can be imported", async () => {
        const made = await methods.made(method);
        const same = { ...method, maxTokenTtl: "600s" };
        assert.deepEqual((await methods.diff(made, same)).paths, {});
        const imported = await provider.read(methods.type, "pipelines");
        assert.deepEqual((await methods.diff({ ...made, ...imported }, method)).paths, {});

        const news = {
            ...method,
            maxTokenTtl: "1h",
            tokenNameFormat: "ci",
            default: true,
            config: { ...method.config, clockSkewLeeway: "30s", boundIssuers: ["ci"] },
        };
        assert.deepEqual((await methods.diff(made, news)).replaces, []);
        assert.deepEqual((await methods.diff(made, { ...method, name: "x" })).replaces, ["name"]);
        const changed = await methods.updated(made, news);
        await methods.isSettled(changed);

        await methods.isSettled(await methods.updated(changed, method));
        await methods.isSettled(await methods.updated(made, news));

        const found = await agent.ask("/v1/acl/auth-method/pipelines");
        const byHand = { ...found, MaxTokenTTL: "2h", Config: { ...found.Config, BoundIssuer: ["other"] } };
        await agent.ask("/v1/acl/auth-method/pipelines", { method: "PUT", body: byHand });
        const drifted = await methods.read(changed);
        assert.deepEqual((await methods.diff(drifted!, news)).paths, {
            maxTokenTtl: "UPDATE",
            "config.boundIssuers[0]": "UPDATE",
        });
        await agent.ask("/v1/acl/auth-method/pipelines", { method: "DELETE" });
        await methods.removed(await methods.isRecreated(changed));
    });

    it("keep a client secret, which Nomad does not tell", async () => {
        const config = {
            oidcDiscoveryUrl: "https://accounts.example",
            oidcClientId: "nomad",
            oidcClientSecret: "hush",
            allowedRedirectUris: ["http://127.0.0.1:4649/oidc/callback"],
        };
        const made = await methods.made({ ...method, name: "people", type: "OIDC", config });
        const { oidcClientSecret } = made.outputs.config as Record<string, unknown>;
        assert.ok(oidcClientSecret instanceof Secret && oidcClientSecret.value === "hush");
        await methods.isSettled(made);
        await methods.removed(made);
    });

    it("explain refusals", async () => {
        await assert.rejects(
            methods.made({ ...method, name: "a b" }),
            /Nomad refuses the ACL auth method "a b": [^\n]*invalid name[^\n]*$/,
        );
        await assert.rejects(
            rules.made({ authMethod: "nowhere", bindType: "policy", bindName: "x" }),
            /Nomad refuses the ACL binding rule of "nowhere": .*nowhere/,
        );
        const wrong = { ...method, type: "SAML", maxTokenTtl: "long", config: { oidcClientAssertion: {} } };
        assert.deepEqual(await methods.refused(wrong), ["config.oidcClientAssertion", "maxTokenTtl", "type"]);
        assert.deepEqual(await rules.refused({ authMethod: "x", bindType: "role" }), ["bindName"]);
        const named = { authMethod: "x", bindType: "management", bindName: "x" };
        assert.deepEqual(await rules.refused(named), ["bindName"]);
        await rules.planned({ bindName: "x" }, "authMethod", "bindType");
        await methods.planned(method, "name", "config");
    });
});
