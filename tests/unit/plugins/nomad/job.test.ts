/* eslint-disable @typescript-eslint/no-explicit-any -- answers of an agent's API are looked into as they come */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";

import { nomadProvider } from "../../../../plugins/nomad/provider";
import { startNomad, type Agent } from "../../../support/agents";
import { eventually } from "../../../support/poll";
import { initFailureOf, plain, ProviderHarness, UNKNOWN } from "../../../support/provider-harness";

import type { Values } from "../../../../plugins/lib";

const type = "nomad:index/job:Job";

interface Shape {
    id: string;
    count?: number;
    command?: string;
    revert?: boolean;
    comment?: string;
}

/** A job that is healthy as soon as it runs, and that fails for good with its first failure. */
function spec({ id, count = 1, command = "sleep 3600", revert = true, comment = "" }: Shape): string {
    return `# ${comment}
variable "message" {
  type    = string
  default = "hello"
}
job "${id}" {
  type = "service"
  group "web" {
    count = ${count}
    restart {
      attempts = 0
      mode     = "fail"
    }
    reschedule {
      attempts  = 0
      unlimited = false
    }
    update {
      max_parallel      = 5
      canary            = ${revert ? count : 0}
      auto_promote      = ${revert}
      auto_revert       = ${revert}
      min_healthy_time  = "200ms"
      healthy_deadline  = "10s"
      progress_deadline = "15s"
    }
    task "main" {
      driver       = "raw_exec"
      kill_timeout = "200ms"
      config {
        command = "/bin/sh"
        args    = ["-c", "${command}"]
      }
      env {
        MESSAGE = var.message
      }
      resources {
        cpu    = 20
        memory = 16
      }
    }
  }
}
`;
}

describe("the nomad plugin's jobs, on a real agent", () => {
    let agent: Agent;
    let provider: ProviderHarness;

    before(async function () {
        this.timeout(60_000);
        agent = await startNomad();
        provider = await ProviderHarness.start(nomadProvider, { address: agent.address });
    });

    after(async function () {
        this.timeout(30_000);
        provider?.close();
        await agent?.stop();
    });

    const ask = async (path: string): Promise<any> => (await fetch(agent.address + path)).json();

    /** The engine's order of calls: check, then create. */
    async function create(args: Values, options?: { timeout?: number }) {
        const { inputs, failures } = await provider.check(type, args);
        assert.deepEqual(failures, []);
        return { inputs, ...(await provider.create(type, inputs, options)) };
    }

    async function checked(args: Values): Promise<Values> {
        const { inputs, failures } = await provider.check(type, args);
        assert.deepEqual(failures, []);
        return inputs;
    }

    async function failing(operation: Promise<unknown>) {
        const error = await operation.then(
            () => assert.fail("should have failed"),
            (reason: unknown) => reason,
        );
        const failure = initFailureOf(error);
        assert.ok(failure, `not a partial failure: ${String(error)}`);
        return failure;
    }

    /** Zombies, which wait for their parent, do not count. */
    function processes(command: string): number {
        const { stdout } = spawnSync("pgrep", ["-x", "-f", "-r", "R,S,D", command], { encoding: "utf8" });
        return stdout.split("\n").filter((line) => line !== "").length;
    }

    async function watched(id: string): Promise<void> {
        await eventually(`the deployment of ${id} is under way`, async () => {
            const deployment = await ask(`/v1/job/${id}/deployment`);
            assert.equal(deployment?.TaskGroups.web.PlacedAllocs, 1);
        });
    }

    async function remove(id: string, state: Values): Promise<void> {
        await provider.delete(type, id, { ...state, purgeOnDestroy: true });
        await eventually(`${id} is gone`, async () => {
            const { status } = await fetch(`${agent.address}/v1/job/${id}`);
            assert.equal(status, 404);
        });
    }

    it("registers a job, waits for its deployment, and finds nothing to do afterwards", async function () {
        this.timeout(30_000);
        const jobspec = spec({ id: "first", count: 2, command: "exec sleep 3617" }).replace(
            "restart {",
            'shutdown_delay = "1s"\n    restart {',
        );
        const args = { jobspec, detach: false, purgeOnDestroy: true };
        const made = await create(args);
        const state = plain(made.outputs);
        assert.equal(made.id, "first");
        assert.equal(state.deploymentStatus, "successful");
        assert.equal(state.status, "running");
        assert.equal(state.namespace, "default");
        assert.equal(state.region, "global");
        assert.deepEqual(state.allocationIds, []);
        assert.equal((state.taskGroups as any)[0].count, 2);
        assert.equal((state.taskGroups as any)[0].tasks[0].driver, "raw_exec");
        assert.ok(
            provider.logs.some(({ ephemeral, message }) => ephemeral && /web 2\/2 healthy/.test(message)),
        );

        assert.deepEqual(
            (await provider.diff(type, "first", state, made.inputs, await checked(args))).paths,
            {},
        );
        const read = await provider.read(type, "first", state, made.inputs);
        assert.deepEqual(read?.inputs, made.inputs);
        assert.deepEqual(read?.outputs, made.outputs);

        assert.equal(processes("sleep 3617"), 2);
        await remove("first", state);
        assert.equal(processes("sleep 3617"), 0);
        assert.equal(await provider.read(type, "first", state, made.inputs), undefined);
    });

    it("updates in place, ignores comments, and rolls a broken version back", async function () {
        this.timeout(40_000);
        const args = { jobspec: spec({ id: "rolls", count: 1 }), detach: false };
        const made = await create(args);
        let state = plain(made.outputs);

        const commented = await checked({ ...args, jobspec: spec({ id: "rolls", comment: "the same" }) });
        assert.deepEqual((await provider.diff(type, "rolls", state, made.inputs, commented)).paths, {});

        const scaled = await checked({ ...args, jobspec: spec({ id: "rolls", count: 2 }) });
        const diff = await provider.diff(type, "rolls", state, made.inputs, scaled);
        assert.deepEqual(diff.paths, { jobspec: "UPDATE" });
        const planned = await provider.update(type, "rolls", state, made.inputs, scaled, { preview: true });
        assert.equal((planned.taskGroups as any)[0].count, 2);
        assert.equal(planned.modifyIndex, UNKNOWN);
        assert.equal(planned.name, "rolls");
        state = plain(await provider.update(type, "rolls", state, made.inputs, scaled));
        assert.equal(state.deploymentStatus, "successful");

        const broken = await checked({
            ...args,
            jobspec: spec({ id: "rolls", count: 2, command: "exit 3" }),
        });
        const failure = await failing(provider.update(type, "rolls", state, scaled, broken));
        assert.equal(failure.id, "rolls");
        const [reason] = failure.reasons;
        assert.match(reason!, /job "rolls": the deployment failed: Failed due to unhealthy allocations/);
        assert.match(reason!, /rolled the job back to version 1 \(now running as version 3\)/);
        assert.match(reason!, /task "web\/main": Terminated: Exit Code: 3/);
        const afterwards = await ask("/v1/job/rolls");
        assert.equal(afterwards.TaskGroups[0].Tasks[0].Config.args[1], "sleep 3600");

        // The same configuration tries again, with and without a refresh in between …
        const stateNow = plain(failure.properties);
        assert.equal(stateNow.deploymentStatus, "failed");
        assert.ok((await provider.diff(type, "rolls", stateNow, broken, broken)).changed);
        const refreshed = await provider.read(type, "rolls", stateNow, broken);
        assert.ok(
            (await provider.diff(type, "rolls", plain(refreshed!.outputs), refreshed!.inputs, broken))
                .changed,
        );
        const again = await failing(provider.update(type, "rolls", stateNow, broken, broken));
        assert.match(again.reasons[0]!, /rolled the job back/);
        // … and a repaired one ends well.
        const repaired = plain(await provider.update(type, "rolls", plain(again.properties), broken, scaled));
        assert.equal(repaired.deploymentStatus === "failed", false);
        assert.deepEqual((await provider.diff(type, "rolls", repaired, scaled, scaled)).paths, {});
        await remove("rolls", repaired);
    });

    it("keeps a job whose first deployment fails, and lets the next run repair it", async function () {
        this.timeout(40_000);
        const args = { jobspec: spec({ id: "broken", command: "exit 7", revert: false }), detach: false };
        const inputs = await checked(args);
        const failure = await failing(provider.create(type, inputs));
        assert.match(failure.reasons[0]!, /Exit Code: 7/);
        assert.match(failure.reasons[0]!, /auto_revert/);
        const same = await failing(
            provider.update(type, "broken", plain(failure.properties), inputs, inputs),
        );
        assert.match(same.reasons[0]!, /Exit Code: 7/);
        assert.notEqual(same.properties.deploymentId, failure.properties.deploymentId);
        const good = await checked({ ...args, jobspec: spec({ id: "broken", revert: false }) });
        const state = plain(await provider.update(type, "broken", plain(same.properties), inputs, good));
        assert.equal(state.deploymentStatus, "successful");
        await remove("broken", state);
    });

    it("says why nothing can be placed", async function () {
        this.timeout(20_000);
        const jobspec = spec({ id: "homeless" }).replace('type = "service"', 'datacenters = ["mars"]');
        const inputs = await checked({ jobspec, detach: false });
        const failure = await failing(provider.create(type, inputs, { timeout: 2 }));
        assert.match(failure.reasons[0]!, /custom timeout of 2 s/);
        assert.match(failure.reasons[0]!, /group "web": 1 allocation has no place/);
        await remove("homeless", plain(failure.properties));
    });

    it("keeps the job in the state when the wait is cancelled", async function () {
        this.timeout(20_000);
        const jobspec = spec({ id: "cancelled" }).replace(
            'min_healthy_time  = "200ms"',
            'min_healthy_time  = "8s"',
        );
        const creation = failing(provider.create(type, await checked({ jobspec, detach: false })));
        await watched("cancelled");
        await provider.cancel();
        const failure = await creation;
        assert.match(failure.reasons[0]!, /cancelled/);
        assert.equal(failure.id, "cancelled");
        assert.ok(
            (
                await provider.diff(
                    type,
                    "cancelled",
                    plain(failure.properties),
                    failure.properties,
                    await checked({ jobspec, detach: false }),
                )
            ).changed,
        );
        await remove("cancelled", plain(failure.properties));
    });

    it("survives a restart of the server while it waits", async function () {
        this.timeout(40_000);
        const jobspec = spec({ id: "patient" }).replace(
            'min_healthy_time  = "200ms"',
            'min_healthy_time  = "4s"',
        );
        const creation = create({ jobspec, detach: false });
        await watched("patient");
        await agent.restart();
        const made = await creation;
        assert.equal(plain(made.outputs).deploymentStatus, "successful");
        await remove("patient", plain(made.outputs));
    });

    it("replaces on another ID or namespace, and reads vars by the declared type", async function () {
        this.timeout(30_000);
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
        const made = await create({ jobspec: typed, hcl2: { vars }, detach: false });
        assert.equal(made.id, "typed");
        const registered = await ask("/v1/job/typed");
        assert.deepEqual(registered.Meta, { names: "a b/c", count: "42", debug: "yes" });
        const submission = await ask("/v1/job/typed/submission?version=0");
        assert.deepEqual(submission.VariableFlags, vars);
        const read = await provider.read(type, "typed", plain(made.outputs), made.inputs);
        assert.deepEqual(read?.inputs, made.inputs);

        const renamed = await checked({
            jobspec: typed,
            hcl2: { vars: { ...vars, id: "other" } },
            detach: false,
        });
        const diff = await provider.diff(type, "typed", plain(made.outputs), made.inputs, renamed);
        assert.deepEqual(diff.replaces, ["name"]);
        const kept = await checked({ ...renamed, deregisterOnIdChange: false });
        assert.deepEqual(
            (await provider.diff(type, "typed", plain(made.outputs), made.inputs, kept)).replaces,
            [],
        );
        const moved = await checked({
            jobspec: typed.replace("parameterized", 'namespace = "x"\nparameterized'),
            hcl2: { vars },
        });
        assert.deepEqual(
            (await provider.diff(type, "typed", plain(made.outputs), made.inputs, moved)).replaces,
            ["namespace"],
        );

        // Imported by the official form of the id.
        const imported = await provider.read(type, "typed@default");
        assert.equal(imported?.id, "typed");
        assert.equal(imported?.inputs.jobspec, typed);
        assert.deepEqual((imported?.inputs.hcl2 as any).vars, vars);
        await remove("typed", plain(made.outputs));
    });

    it("sees a stopped job, and registers it again only if told so", async function () {
        this.timeout(30_000);
        const args = { jobspec: spec({ id: "stopped" }), detach: false };
        const made = await create(args);
        await fetch(`${agent.address}/v1/job/stopped`, { method: "DELETE" });
        const read = await eventually("it is dead", async () => {
            const seen = await provider.read(type, "stopped", plain(made.outputs), made.inputs);
            assert.equal(plain(seen!.outputs).status, "dead");
            return seen!;
        });
        const state = plain(read.outputs);
        assert.deepEqual(
            (await provider.diff(type, "stopped", state, read.inputs, await checked(args))).paths,
            {},
        );
        const rerun = await checked({ ...args, rerunIfDead: true });
        assert.equal(
            (await provider.diff(type, "stopped", state, read.inputs, rerun)).paths.status,
            "UPDATE",
        );
        const revived = plain(await provider.update(type, "stopped", state, read.inputs, rerun));
        assert.equal(revived.status, "running");
        await remove("stopped", revived);
    });

    it("accepts the API's JSON, detached", async () => {
        const parsed = await fetch(`${agent.address}/v1/jobs/parse`, {
            method: "POST",
            body: JSON.stringify({ JobHCL: spec({ id: "json" }), Canonicalize: true }),
        });
        const made = await create({ jobspec: JSON.stringify({ Job: await parsed.json() }), json: true });
        assert.equal(made.id, "json");
        assert.equal(plain(made.outputs).deploymentStatus, "");
        const read = await provider.read(type, "json", plain(made.outputs), made.inputs);
        assert.deepEqual(read?.inputs, made.inputs);
        await remove("json", plain(made.outputs));
    });

    it("refuses bad specifications before anything is registered", async () => {
        const preview = async (args: Values) => provider.create(type, await checked(args), { preview: true });
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
            (await provider.check(type, { jobspec: "x", ...args })).failures.map(({ property }) => property);
        assert.deepEqual(await refused({ hcl2: { allowFs: true } }), ["hcl2.allowFs"]);
        assert.deepEqual(await refused({ rerun: true }), ["rerun"]);
        assert.deepEqual(await ask("/v1/jobs"), []);
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
