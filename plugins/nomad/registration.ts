import { messageOf, PartialFailure } from "../lib";
import { HttpError, isTransient, withLeader } from "../lib/http-api";
import { DeploymentError, type Outcome, waitForDeployment } from "./deployment";
import { observedOutputs, type JobOutputs } from "./job-outputs";
import { parseToRegister } from "./specification";

import type { Job } from "./api";
import type { JobKey, Registration } from "./client";
import type { Inputs, JobContext } from "./job-types";

/** The official plugin's limit for a deployment, unless `customTimeouts` says otherwise. */
const deploymentLimit = 5 * 60_000;

/** Only in jobs that were deployed once more without a change; the next change removes it. */
const attemptMeta = "pulumi_attempt";

export interface Deployed {
    key: JobKey;
    outputs: JobOutputs;
}

/** Registers the job and, unless detached, waits until it is deployed. */
export async function deploy(
    context: JobContext,
    inputs: Inputs,
    existing: JobKey | undefined,
): Promise<Deployed> {
    const { client, log } = context;
    const specified = await parseToRegister(context, inputs);
    const key: JobKey = { id: specified.ID!, namespace: specified.Namespace! };
    const registration = await withLeader(context, () => register(context, inputs, specified));
    if (registration.Warnings) {
        log.warn(registration.Warnings);
    }
    // From here on the job exists: whatever happens, the state must know it. An update keeps the id it has.
    const id = existing?.id ?? key.id;
    try {
        const outcome = await followUntilDeployed(context, inputs, specified, registration);
        return { key, outputs: await outputsOf(context, inputs, key, registration, outcome) };
    } catch (error) {
        const outcome =
            error instanceof DeploymentError
                ? error.outcome
                : { deploymentId: "", deploymentStatus: "unknown" };
        const outputs = await outputsOf(
            { client, signal: AbortSignal.timeout(5000) },
            inputs,
            key,
            registration,
            outcome,
        );
        throw new PartialFailure(id, { ...outputs }, [`job "${key.id}": ${messageOf(error)}`]);
    }
}

/** A meta entry makes an unchanged job a new version, which Nomad deploys again, replacing what has failed. */
async function followUntilDeployed(
    context: JobContext,
    inputs: Inputs,
    specified: Job,
    registration: Registration,
): Promise<Outcome> {
    const key: JobKey = { id: specified.ID!, namespace: specified.Namespace! };
    const outcome = await follow(context, inputs, key, registration);
    if (outcome !== "failed before") {
        return outcome;
    }
    context.log.status("this version of the job has failed before; deploying it again");
    const again = { ...specified, Meta: { ...specified.Meta, [attemptMeta]: new Date().toISOString() } };
    const second = await follow(context, inputs, key, await register(context, inputs, again));
    return second === "failed before" ? { deploymentId: "", deploymentStatus: "failed" } : second;
}

async function register(context: JobContext, inputs: Inputs, specified: Job): Promise<Registration> {
    const submission = {
        Source: inputs.jobspec,
        Format: inputs.json ? ("json" as const) : ("hcl2" as const),
        VariableFlags: inputs.hcl2?.vars ?? {},
    };
    try {
        // Not to be broken off: nobody would know whether the job is registered.
        return await context.client.register(specified, submission, inputs.policyOverride === true);
    } catch (error) {
        if (error instanceof HttpError && !isTransient(error)) {
            throw new Error(`Nomad refuses the job "${specified.ID}": ${error.answer}`);
        }
        throw error;
    }
}

async function follow(
    context: JobContext,
    inputs: Inputs,
    key: JobKey,
    { EvalID }: Registration,
): Promise<Outcome | "failed before"> {
    if (inputs.detach || !EvalID) {
        return { deploymentId: "", deploymentStatus: "" };
    }
    const limit = new AbortController();
    const timer = setTimeout(
        () =>
            limit.abort(
                new Error(
                    `not deployed within ${deploymentLimit / 60_000} minutes (the resource option customTimeouts changes the limit)`,
                ),
            ),
        deploymentLimit,
    );
    // A custom timeout aborts the context's signal.
    if (context.timeout !== undefined) {
        clearTimeout(timer);
    }
    try {
        const signal = AbortSignal.any([context.signal, limit.signal]);
        return await waitForDeployment({ client: context.client, key, log: context.log, signal }, EvalID);
    } finally {
        clearTimeout(timer);
    }
}

async function outputsOf(
    context: Pick<JobContext, "client" | "signal">,
    inputs: Inputs,
    key: JobKey,
    registration: Registration,
    outcome: Outcome,
): Promise<JobOutputs> {
    const wait = { signal: context.signal };
    // A job that cannot be read right after its registration is still worth remembering.
    const found = await context.client.job(key, wait).catch(() => undefined);
    const observed = observedOutputs(
        found ?? { ID: key.id, Namespace: key.namespace, JobModifyIndex: registration.JobModifyIndex },
    );
    return { ...observed, ...outcome, allocationIds: await allocationIds(context, key, inputs) };
}

export async function allocationIds(
    context: Pick<JobContext, "client" | "signal">,
    key: JobKey,
    inputs: Inputs | undefined,
): Promise<string[]> {
    if (!inputs?.readAllocationIds) {
        return [];
    }
    return (await context.client.jobAllocations(key, { signal: context.signal })).map(({ ID }) => ID);
}
