/* eslint-disable @typescript-eslint/no-explicit-any -- answers of an agent's API are looked into as they come */
import assert from "node:assert/strict";

import { eventually } from "../../../support/poll";
import { plain, UNKNOWN } from "../../../support/provider-harness";
import { failing, Jobs, processes, spec, type } from "./jobs";

describe("the nomad plugin's deployments of jobs, on a real agent", function () {
    this.timeout("3m");
    let jobs: Jobs;

    before(async () => {
        jobs = await Jobs.start();
    });
    after(() => jobs?.stop());

    it("registers a job, waits for its deployment, and finds nothing to do afterwards", async () => {
        // Nobody else's: other runs may have such processes, too.
        const command = `sleep ${100_000 + process.pid}`;
        const jobspec = spec({ id: "first", count: 2, command: `exec ${command}` }).replace(
            "restart {",
            'shutdown_delay = "1s"\n    restart {',
        );
        const args = { jobspec, detach: false, purgeOnDestroy: true };
        const made = await jobs.create(args);
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
            jobs.provider.logs.some(
                ({ ephemeral, message }) => ephemeral && /web 2\/2 healthy/.test(message),
            ),
        );

        assert.deepEqual(
            (await jobs.provider.diff(type, "first", state, made.inputs, await jobs.checked(args))).paths,
            {},
        );
        const read = await jobs.provider.read(type, "first", state, made.inputs);
        assert.deepEqual(read?.inputs, made.inputs);
        assert.deepEqual(read?.outputs, made.outputs);

        await eventually("both are what they shall be", () => assert.equal(processes(command), 2));
        await jobs.remove("first", state);
        assert.equal(processes(command), 0);
        assert.equal(await jobs.provider.read(type, "first", state, made.inputs), undefined);
    });

    it("updates in place, ignores comments, and rolls a broken version back", async () => {
        const args = { jobspec: spec({ id: "rolls", count: 1 }), detach: false };
        const made = await jobs.create(args);
        let state = plain(made.outputs);

        const commented = await jobs.checked({
            ...args,
            jobspec: spec({ id: "rolls", comment: "the same" }),
        });
        assert.deepEqual((await jobs.provider.diff(type, "rolls", state, made.inputs, commented)).paths, {});

        const scaled = await jobs.checked({ ...args, jobspec: spec({ id: "rolls", count: 2 }) });
        const diff = await jobs.provider.diff(type, "rolls", state, made.inputs, scaled);
        assert.deepEqual(diff.paths, { jobspec: "UPDATE" });
        const planned = await jobs.provider.update(type, "rolls", state, made.inputs, scaled, {
            preview: true,
        });
        assert.equal((planned.taskGroups as any)[0].count, 2);
        assert.equal(planned.modifyIndex, UNKNOWN);
        assert.equal(planned.name, "rolls");
        state = plain(await jobs.provider.update(type, "rolls", state, made.inputs, scaled));
        assert.equal(state.deploymentStatus, "successful");

        const broken = await jobs.checked({
            ...args,
            jobspec: spec({ id: "rolls", count: 2, command: "exit 3" }),
        });
        const failure = await failing(jobs.provider.update(type, "rolls", state, scaled, broken));
        assert.equal(failure.id, "rolls");
        const [reason] = failure.reasons;
        assert.match(reason!, /job "rolls": the deployment failed: Failed due to unhealthy allocations/);
        assert.match(reason!, /rolled the job back to version 1 \(now running as version 3\)/);
        assert.match(reason!, /task "web\/main": Terminated: Exit Code: 3/);
        const afterwards = await jobs.ask("/v1/job/rolls");
        assert.equal(afterwards.TaskGroups[0].Tasks[0].Config.args[1], "sleep 3600");

        // The same configuration tries again, with and without a refresh in between …
        const stateNow = plain(failure.properties);
        assert.equal(stateNow.deploymentStatus, "failed");
        assert.ok((await jobs.provider.diff(type, "rolls", stateNow, broken, broken)).changed);
        const refreshed = await jobs.provider.read(type, "rolls", stateNow, broken);
        assert.ok(
            (await jobs.provider.diff(type, "rolls", plain(refreshed!.outputs), refreshed!.inputs, broken))
                .changed,
        );
        const again = await failing(jobs.provider.update(type, "rolls", stateNow, broken, broken));
        assert.match(again.reasons[0]!, /rolled the job back/);
        // … and a repaired one ends well.
        const repaired = plain(
            await jobs.provider.update(type, "rolls", plain(again.properties), broken, scaled),
        );
        assert.equal(repaired.deploymentStatus === "failed", false);
        assert.deepEqual((await jobs.provider.diff(type, "rolls", repaired, scaled, scaled)).paths, {});
        await jobs.remove("rolls", repaired);
    });

    it("keeps a job whose first deployment fails, and lets the next run repair it", async () => {
        const args = { jobspec: spec({ id: "broken", command: "exit 7", revert: false }), detach: false };
        const inputs = await jobs.checked(args);
        const failure = await failing(jobs.provider.create(type, inputs));
        assert.match(failure.reasons[0]!, /Exit Code: 7/);
        assert.match(failure.reasons[0]!, /auto_revert/);
        const same = await failing(
            jobs.provider.update(type, "broken", plain(failure.properties), inputs, inputs),
        );
        assert.match(same.reasons[0]!, /Exit Code: 7/);
        assert.notEqual(same.properties.deploymentId, failure.properties.deploymentId);
        const good = await jobs.checked({ ...args, jobspec: spec({ id: "broken", revert: false }) });
        const state = plain(await jobs.provider.update(type, "broken", plain(same.properties), inputs, good));
        assert.equal(state.deploymentStatus, "successful");
        await jobs.remove("broken", state);
    });

    it("says why nothing can be placed", async () => {
        const jobspec = spec({ id: "homeless" }).replace('type = "service"', 'datacenters = ["mars"]');
        const inputs = await jobs.checked({ jobspec, detach: false });
        const failure = await failing(jobs.provider.create(type, inputs, { timeout: 5 }));
        assert.match(failure.reasons[0]!, /custom timeout of 5 s/);
        assert.match(failure.reasons[0]!, /group "web": 1 allocation has no place/);
        await jobs.remove("homeless", plain(failure.properties));
    });

    it("keeps the job in the state when the wait is cancelled", async () => {
        const jobspec = spec({ id: "cancelled", healthyAfter: "50s" });
        const creation = failing(jobs.provider.create(type, await jobs.checked({ jobspec, detach: false })));
        await jobs.watched("cancelled");
        await jobs.provider.cancel();
        const failure = await creation;
        assert.match(failure.reasons[0]!, /cancelled/);
        assert.equal(failure.id, "cancelled");
        assert.ok(
            (
                await jobs.provider.diff(
                    type,
                    "cancelled",
                    plain(failure.properties),
                    failure.properties,
                    await jobs.checked({ jobspec, detach: false }),
                )
            ).changed,
        );
        await jobs.remove("cancelled", plain(failure.properties));
    });

    it("survives a restart of the server while it waits", async () => {
        const jobspec = spec({ id: "patient", healthyAfter: "4s" });
        const creation = jobs.create({ jobspec, detach: false });
        await jobs.watched("patient");
        await jobs.agent.restart();
        const made = await creation;
        assert.equal(plain(made.outputs).deploymentStatus, "successful");
        await jobs.remove("patient", plain(made.outputs));
    });
});
