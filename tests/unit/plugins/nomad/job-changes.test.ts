/* eslint-disable @typescript-eslint/no-explicit-any -- answers of an agent's API are looked into as they come */
import assert from "node:assert/strict";

import { nomadProvider } from "../../../../plugins/nomad/provider";
import { eventually } from "../../../support/poll";
import { plain, ProviderHarness, UNKNOWN } from "../../../support/provider-harness";
import { Jobs, spec, type } from "./jobs";

import type { Values } from "../../../../plugins/lib";

describe("the nomad plugin's jobs, on a real agent", function () {
    this.timeout("3m");
    let jobs: Jobs;

    before(async () => {
        jobs = await Jobs.start();
    });
    after(() => jobs?.stop());

    it("replaces on another ID or namespace, and reads vars by the declared type", async () => {
        const typed = `
variable "names" { type = list(string) }
variable "count" { type = number }
variable "debug" { type = bool }
variable "id" {}
job "any" {
  id   = var.id
  type = "batch"
  parameterized {}
  meta {
    names = join("/", var.names)
    count = var.count + 1
    debug = var.debug ? "yes" : "no"
  }
  group "g" {
    task "t" {
      driver = "raw_exec"
      config { command = "/bin/true" }
    }
  }
}`;
        const vars = { names: '["a b", "c"] # a list', count: "41", debug: "true", id: "typed" };
        const made = await jobs.create({ jobspec: typed, hcl2: { vars }, detach: false });
        assert.equal(made.id, "typed");
        const registered = await jobs.ask("/v1/job/typed");
        assert.deepEqual(registered.Meta, { names: "a b/c", count: "42", debug: "yes" });
        const submission = await jobs.ask("/v1/job/typed/submission?version=0");
        assert.deepEqual(submission.VariableFlags, vars);
        const read = await jobs.provider.read(type, "typed", plain(made.outputs), made.inputs);
        assert.deepEqual(read?.inputs, made.inputs);

        const renamed = await jobs.checked({
            jobspec: typed,
            hcl2: { vars: { ...vars, id: "other" } },
            detach: false,
        });
        const diff = await jobs.provider.diff(type, "typed", plain(made.outputs), made.inputs, renamed);
        assert.deepEqual(diff.replaces, ["name"]);
        const kept = await jobs.checked({ ...renamed, deregisterOnIdChange: false });
        assert.deepEqual(
            (await jobs.provider.diff(type, "typed", plain(made.outputs), made.inputs, kept)).replaces,
            [],
        );
        const moved = await jobs.checked({
            jobspec: typed.replace("parameterized", 'namespace = "x"\nparameterized'),
            hcl2: { vars },
        });
        assert.deepEqual(
            (await jobs.provider.diff(type, "typed", plain(made.outputs), made.inputs, moved)).replaces,
            ["namespace"],
        );

        // Imported by the official form of the id.
        const imported = await jobs.provider.read(type, "typed@default");
        assert.equal(imported?.id, "typed");
        assert.equal(imported?.inputs.jobspec, typed);
        assert.deepEqual((imported?.inputs.hcl2 as any).vars, vars);
        await jobs.remove("typed", plain(made.outputs));
    });

    it("sees a stopped job, and registers it again only if told so", async () => {
        const args = { jobspec: spec({ id: "stopped" }), detach: false };
        const made = await jobs.create(args);
        await fetch(`${jobs.agent.address}/v1/job/stopped`, { method: "DELETE" });
        const read = await eventually("it is dead", async () => {
            const seen = await jobs.provider.read(type, "stopped", plain(made.outputs), made.inputs);
            assert.equal(plain(seen!.outputs).status, "dead");
            return seen!;
        });
        const state = plain(read.outputs);
        assert.deepEqual(
            (await jobs.provider.diff(type, "stopped", state, read.inputs, await jobs.checked(args))).paths,
            {},
        );
        const rerun = await jobs.checked({ ...args, rerunIfDead: true });
        assert.equal(
            (await jobs.provider.diff(type, "stopped", state, read.inputs, rerun)).paths.status,
            "UPDATE",
        );
        const revived = plain(await jobs.provider.update(type, "stopped", state, read.inputs, rerun));
        assert.equal(revived.status, "running");
        await jobs.remove("stopped", revived);
    });

    it("accepts the API's JSON, detached", async () => {
        const parsed = await fetch(`${jobs.agent.address}/v1/jobs/parse`, {
            method: "POST",
            body: JSON.stringify({ JobHCL: spec({ id: "json" }), Canonicalize: true }),
        });
        const made = await jobs.create({ jobspec: JSON.stringify({ Job: await parsed.json() }), json: true });
        assert.equal(made.id, "json");
        assert.equal(plain(made.outputs).deploymentStatus, "");
        const read = await jobs.provider.read(type, "json", plain(made.outputs), made.inputs);
        assert.deepEqual(read?.inputs, made.inputs);
        await jobs.remove("json", plain(made.outputs));
    });

    it("refuses bad specifications before anything is registered", async () => {
        const preview = async (args: Values) =>
            jobs.provider.create(type, await jobs.checked(args), { preview: true });
        await assert.rejects(
            preview({ jobspec: 'job "x" {\n  grup "y" {}\n}' }),
            /line 2,3.*Unsupported block type/,
        );
        await assert.rejects(
            preview({ jobspec: spec({ id: "x" }), hcl2: { vars: { massage: "hi" } } }),
            /sets "massage", which the job specification does not declare/,
        );
        await assert.rejects(
            preview({
                jobspec: 'variable "l" { type = list(string) }\njob "x" {}',
                hcl2: { vars: { l: '["a"' } },
            }),
            /hcl2.vars\["l"\] is not an HCL expression/,
        );
        await assert.rejects(preview({ jobspec: "{", json: true }), /not JSON/);
        const refused = async (args: Values) =>
            (await jobs.provider.check(type, { jobspec: "x", ...args })).failures.map(
                ({ property }) => property,
            );
        assert.deepEqual(await refused({ hcl2: { allowFs: true } }), ["hcl2.allowFs"]);
        assert.deepEqual(await refused({ rerun: true }), ["rerun"]);
        assert.deepEqual(await jobs.ask("/v1/jobs"), []);
    });
});

describe("the nomad plugin's jobs without a cluster", () => {
    it("plans from the inputs while the address or the specification is unknown", async () => {
        const provider = await ProviderHarness.start(nomadProvider, { address: UNKNOWN });
        const { inputs } = await provider.check(type, { jobspec: spec({ id: "later" }) });
        const planned = await provider.create(type, inputs, { preview: true });
        assert.equal(planned.outputs.name, "later");
        assert.equal(planned.outputs.modifyIndex, UNKNOWN);
        const unknown = await provider.check(type, { jobspec: UNKNOWN });
        assert.deepEqual(unknown.failures, []);
        assert.equal((await provider.create(type, unknown.inputs, { preview: true })).outputs.name, UNKNOWN);
        provider.close();
    });

    it("previews against an address where nobody answers, and says so when it has to act", async () => {
        const provider = await ProviderHarness.start(nomadProvider, { address: "http://127.0.0.1:9" });
        const { inputs } = await provider.check(type, { jobspec: spec({ id: "gone" }) });
        assert.equal((await provider.create(type, inputs, { preview: true })).outputs.name, "gone");
        const state = { ...inputs, name: "gone", namespace: "default" };
        const renamed = (await provider.check(type, { jobspec: spec({ id: "new" }) })).inputs;
        assert.deepEqual((await provider.diff(type, "gone", state, inputs, renamed)).replaces, ["name"]);
        await assert.rejects(
            provider.create(type, inputs),
            /Nomad cannot be reached at http:\/\/127.0.0.1:9/,
        );
        await assert.rejects(provider.delete(type, "gone", state), /Nomad cannot be reached/);
        provider.close();
    });
});
