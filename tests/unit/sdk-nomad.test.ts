import assert from "node:assert/strict";

import * as nomad from "@pulumi/nomad";
import * as pulumi from "@pulumi/pulumi";

import { nomadProvider } from "../../plugins/nomad/provider";

describe("the local package @pulumi/nomad", () => {
    const registered: pulumi.runtime.MockResourceArgs[] = [];

    before(async () => {
        await pulumi.runtime.setMocks({
            newResource: (args) => {
                registered.push(args);
                return { id: args.id ?? `${args.name}-id`, state: { ...args.inputs, modifyIndex: "7" } };
            },
            call: () => ({}),
        });
    });

    const value = <T>(output: pulumi.Output<T>): Promise<T> =>
        new Promise((resolve) => void output.apply((known) => resolve(known)));
    const find = (name: string) => registered.find((each) => each.name === name)!;

    it("registers a job with the published token and properties", async () => {
        const job = new nomad.Job("web", {
            jobspec: 'job "web" {}',
            hcl2: { vars: { a: "b" } },
            detach: false,
        });
        assert.equal(await value(job.modifyIndex), "7");
        assert.equal(find("web").type, "nomad:index/job:Job");
        assert.deepEqual(find("web").inputs, {
            jobspec: 'job "web" {}',
            hcl2: { vars: { a: "b" } },
            detach: false,
        });
        assert.ok(nomad.Job.isInstance(job) && !nomad.Variable.isInstance(job));
    });

    it("keeps a variable's items secret", async () => {
        const variable = new nomad.Variable("config", { path: "p", items: { password: "x" } });
        assert.deepEqual(await value(variable.items), { password: "x" });
        assert.equal(await pulumi.isSecret(variable.items), true);
        assert.equal(await pulumi.isSecret(variable.path), false);
        assert.equal(find("config").type, "nomad:index/variable:Variable");
    });

    it("registers what a cluster with ACLs needs, with the published tokens", async () => {
        const policy = new nomad.AclPolicy("readers", { rulesHcl: "x", jobAcl: { jobId: "web" } });
        const role = new nomad.AclRole("role", { policies: [{ name: policy.name }] });
        const token = new nomad.AclToken("token", { type: "client", roles: [{ id: "role-id" }] });
        const method = new nomad.AclAuthMethod("method", {
            type: "JWT",
            tokenLocality: "local",
            maxTokenTtl: "1h",
            config: { jwksUrl: "https://a" },
        });
        const rule = new nomad.AclBindingRule("rule", { authMethod: method.name, bindType: "management" });
        const apps = new nomad.Namespace("apps");
        const pool = new nomad.NodePool("edge", { description: "at the edge" });
        await Promise.all([policy, role, token, method, rule, apps, pool].map(({ urn }) => value(urn)));
        assert.equal(await value(pool.description), "at the edge");
        assert.ok(nomad.AclToken.isInstance(token) && !nomad.AclRole.isInstance(token));
        const types = {
            readers: "aclPolicy:AclPolicy",
            role: "aclRole:AclRole",
            token: "aclToken:AclToken",
            method: "aclAuthMethod:AclAuthMethod",
            rule: "aclBindingRule:AclBindingRule",
            apps: "namespace:Namespace",
            edge: "nodePool:NodePool",
        };
        for (const [name, type] of Object.entries(types)) {
            assert.equal(find(name).type, `nomad:index/${type}`);
            assert.ok(find(name).type in nomadProvider.resources);
        }
        assert.deepEqual(find("token").inputs, { type: "client", roles: [{ id: "role-id" }] });
        assert.equal(nomad.AclToken.name, "AclToken");
    });

    it("has every property of every resource of the plugin, and no other", async () => {
        const classes = Object.values(nomad).filter(
            (each) => typeof each === "function" && each !== nomad.Provider,
        ) as (new (name: string, state: object, opts: object) => pulumi.CustomResource)[];
        assert.equal(classes.length, Object.keys(nomadProvider.resources).length);
        for (const each of classes) {
            const { __pulumiType: type } = each as unknown as { __pulumiType: string };
            const { inputs, outputs = {} } = nomadProvider.resources[type]!;
            const state = new Proxy({}, { get: () => "x" });
            const object = new each(`all-${each.name}`, state, { id: "x" });
            await value(object.id);
            assert.deepEqual(
                Object.keys(find(`all-${each.name}`).inputs).sort(),
                [...Object.keys(inputs), ...Object.keys(outputs)].sort(),
                type,
            );
        }
    });

    it("sends provider settings as strings", async () => {
        const provider = new nomad.Provider("nomad", { address: "http://127.0.0.1:4646", skipVerify: true });
        assert.equal(await value(provider.address), "http://127.0.0.1:4646");
        const { type, inputs } = find("nomad");
        assert.equal(type, "pulumi:providers:nomad");
        assert.deepEqual(inputs, { address: "http://127.0.0.1:4646", skipVerify: "true" });
        assert.ok(nomad.Provider.isInstance(provider));
    });

    it("reads existing resources", async () => {
        const job = nomad.Job.get("old", "some-id", { namespace: "prod" });
        assert.equal(await value(job.id), "some-id");
        assert.equal(await value(job.namespace), "prod");
    });

    it("refuses missing properties", () => {
        assert.throws(() => new nomad.Job("x", {} as nomad.JobArgs), /Missing required property 'jobspec'/);
        assert.throws(() => new nomad.Variable("x", { path: "p" } as nomad.VariableArgs), /property 'items'/);
        assert.throws(() => new nomad.AclPolicy("x", {} as nomad.AclPolicyArgs), /property 'rulesHcl'/);
        assert.throws(() => new nomad.Provider("x", {} as nomad.ProviderArgs), /property 'address'/);
    });

    it("has the version of the plugin that it asks for", () => {
        // eslint-disable-next-line @typescript-eslint/no-require-imports
        const { version } = require("@pulumi/nomad/package.json") as { version: string };
        assert.equal(version, nomadProvider.version);
    });
});
