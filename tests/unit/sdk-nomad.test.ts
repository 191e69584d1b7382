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
        assert.throws(() => new nomad.Provider("x", {} as nomad.ProviderArgs), /property 'address'/);
    });

    it("has the version of the plugin that it asks for", () => {
        // eslint-disable-next-line @typescript-eslint/no-require-imports
        const { version } = require("@pulumi/nomad/package.json") as { version: string };
        assert.equal(version, nomadProvider.version);
    });
});
