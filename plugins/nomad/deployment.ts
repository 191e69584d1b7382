import { HttpError, isTransient, sleep } from "../lib/http-api";
import type { ResourceLog } from "../lib";
import type { Allocation, Deployment, Evaluation } from "./api";
import type { JobKey, NomadClient } from "./client";
import { explainAllocations, explainPlacement, explainRollback, progress } from "./explain";

export interface Wait {
    client: NomadClient;
    key: JobKey;
    log: ResourceLog;
    /** Ends the wait: the user's cancellation or the time limit. */
    signal: AbortSignal;
}

/** The deployment that a registration led to; empty strings where it led to none (batch jobs, no update block …). */
export interface Outcome {
    deploymentId: string;
    deploymentStatus: string;
}

/** The job is registered, but not running as it should. */
export class DeploymentError extends Error {
    constructor(
        message: string,
        readonly outcome: Outcome,
    ) {
        super(message);
        this.name = "DeploymentError";
    }
}

const none: Outcome = { deploymentId: "", deploymentStatus: "" };

/** As the official plugin: follows the evaluation, then its deployment, to a successful end. */
export async function waitForDeployment(wait: Wait, evaluationId: string): Promise<Outcome> {
    wait.log.status("scheduling");
    const evaluation = await waitForEvaluation(wait, evaluationId);
    const unplaced = explainPlacement(evaluation.FailedTGAllocs);
    if (unplaced.length > 0) {
        wait.log.warn(`${unplaced.join("\n")}\nNomad places them as soon as that changes; still waiting`);
    }
    if (!evaluation.DeploymentID) {
        return withoutNewDeployment(wait);
    }
    const { value } = await patiently(wait, () =>
        wait.client.deployment(evaluation.DeploymentID, 0, { signal: wait.signal }),
    );
    const failedBefore = value.Status === "failed" && value.ModifyIndex < evaluation.CreateIndex;
    return failedBefore ? tryAgain(wait, value) : followDeployment(wait, value.ID, unplaced);
}

async function waitForEvaluation(wait: Wait, id: string): Promise<Evaluation> {
    let index = 0;
    for (;;) {
        const { value, index: next } = await patiently(wait, () =>
            wait.client.evaluation(id, index, { signal: wait.signal }),
        );
        if (value.Status === "failed") {
            throw new DeploymentError(`the scheduler failed: ${value.StatusDescription}`, none);
        }
        if (value.Status !== "pending" && value.Status !== "blocked") {
            if (!value.NextEval) {
                return value;
            }
            id = value.NextEval;
        }
        index = value.NextEval ? 0 : next;
    }
}

async function followDeployment(wait: Wait, id: string, unplaced: string[]): Promise<Outcome> {
    let index = 0;
    let shown = "";
    let last: Deployment | undefined;
    try {
        for (;;) {
            const { value, index: next } = await patiently(wait, () =>
                wait.client.deployment(id, index, { signal: wait.signal }),
            );
            last = value;
            index = next;
            const text = progress(value);
            if (text !== shown) {
                wait.log.status((shown = text));
            }
            if (value.Status === "successful") {
                return { deploymentId: id, deploymentStatus: value.Status };
            }
            if (value.Status === "failed" || value.Status === "cancelled") {
                break;
            }
            if (/requires manual promotion/.test(value.StatusDescription) && canariesAreHealthy(value)) {
                wait.log.status(`${text}; waits for: nomad deployment promote ${id.slice(0, 8)}`);
            }
        }
    } catch (error) {
        if (!wait.signal.aborted) {
            throw error;
        }
        const state = last ? `; so far: ${progress(last)}` : "";
        const details = await detailsOf(wait.client, id);
        throw new DeploymentError(lines(`${abortReason(wait.signal)}${state}`, [...unplaced, ...details]), {
            deploymentId: id,
            deploymentStatus: last?.Status ?? "running",
        });
    }
    throw await failure(wait, last, unplaced);
}

function canariesAreHealthy(deployment: Deployment): boolean {
    return Object.values(deployment.TaskGroups).every(
        (state) => state.HealthyAllocs >= state.DesiredCanaries,
    );
}

async function failure(wait: Wait, deployment: Deployment, unplaced: string[]): Promise<DeploymentError> {
    // Failing and reverting are one step for the servers: the version read now is that of the rollback.
    const job = await patiently(wait, () => wait.client.job(wait.key, { signal: wait.signal })).catch(
        () => undefined,
    );
    const details = [...(await detailsOf(wait.client, deployment.ID)), ...unplaced];
    const description = deployment.StatusDescription.replace(/ - .*/, "");
    const headline =
        deployment.Status === "cancelled"
            ? `the deployment was cancelled: ${description}`
            : `the deployment failed: ${description}; ${explainRollback(deployment, job?.Version)}`;
    return new DeploymentError(
        lines(headline, [
            progress(deployment),
            ...details,
            `more: nomad deployment status -verbose ${deployment.ID.slice(0, 8)}`,
        ]),
        { deploymentId: deployment.ID, deploymentStatus: deployment.Status },
    );
}

/** Nothing about the job had to change, or it is of a kind that knows no deployments. */
async function withoutNewDeployment(wait: Wait): Promise<Outcome> {
    const { client, key, signal } = wait;
    const job = await patiently(wait, () => client.job(key, { signal }));
    const deployment = await patiently(wait, () => client.latestDeployment(key, { signal }));
    if (!job || !deployment || deployment.JobVersion !== job.Version) {
        return none;
    }
    if (deployment.Status !== "failed") {
        return deployment.Status === "cancelled" ? none : followDeployment(wait, deployment.ID, []);
    }
    return tryAgain(wait, deployment);
}

/**
 * The very same job was deployed before and failed: Nomad deploys a version only once. Its failed allocations are
 * rescheduled, and have to stay up for as long as the deployment would have asked by default.
 */
async function tryAgain(wait: Wait, failed: Deployment): Promise<Outcome> {
    const { client, key, signal } = wait;
    wait.log.status("this version of the job has failed before; scheduling its allocations again");
    const before = new Set((await client.jobAllocations(key, { signal })).filter(isOver).map(({ ID }) => ID));
    await waitForEvaluation(wait, await client.reschedule(key, { signal }));
    let wellSince: number | undefined;
    for (;;) {
        const job = await patiently(wait, () => client.job(key, { signal }));
        const allocations = (await patiently(wait, () => client.jobAllocations(key, { signal }))).filter(
            (allocation) => allocation.JobVersion === job?.Version && !before.has(allocation.ID),
        );
        const broken = allocations.filter((allocation) => allocation.ClientStatus === "failed");
        if (broken.length > 0) {
            throw new DeploymentError(
                lines(
                    "the job is unchanged since its last deployment failed, and fails again",
                    explainAllocations(broken),
                ),
                { deploymentId: failed.ID, deploymentStatus: failed.Status },
            );
        }
        const well = (job?.TaskGroups ?? []).every(
            (group) =>
                allocations.filter((allocation) => allocation.TaskGroup === group.Name && isWell(allocation))
                    .length >= (group.Count ?? 1),
        );
        wellSince = well ? (wellSince ?? Date.now()) : undefined;
        if (wellSince !== undefined && Date.now() - wellSince >= 10_000) {
            return none;
        }
        await sleep(1000, signal).catch(() => {
            throw new DeploymentError(lines(abortReason(signal), explainAllocations(allocations)), {
                deploymentId: failed.ID,
                deploymentStatus: failed.Status,
            });
        });
    }
}

function isOver(allocation: Allocation): boolean {
    return (
        allocation.ClientStatus === "failed" ||
        allocation.ClientStatus === "complete" ||
        allocation.ClientStatus === "lost"
    );
}

function isWell(allocation: Allocation): boolean {
    return (
        allocation.ClientStatus === "running" &&
        allocation.DesiredStatus === "run" &&
        Object.values(allocation.TaskStates ?? {}).every(
            (state) => state.State !== "pending" && !state.Failed,
        )
    );
}

/** Waits until no allocation of a deregistered job runs any more. */
export async function waitUntilStopped(wait: Wait): Promise<void> {
    for (;;) {
        const allocations = await patiently(wait, () =>
            wait.client.jobAllocations(wait.key, { signal: wait.signal }),
        );
        const left = allocations.filter(
            (allocation) => allocation.ClientStatus === "running" || allocation.ClientStatus === "pending",
        );
        if (left.length === 0) {
            return;
        }
        wait.log.status(`stopping, ${left.length} left`);
        await sleep(300, wait.signal);
    }
}

/** Repeats a request while the server restarts or its cluster has no leader. */
async function patiently<T>(wait: Wait, request: () => Promise<T>): Promise<T> {
    for (let pause = 250; ; pause = Math.min(pause * 2, 2000)) {
        try {
            return await request();
        } catch (error) {
            if (!isTransient(error) || wait.signal.aborted) {
                throw error;
            }
            wait.log.status(
                error instanceof HttpError
                    ? `Nomad is not ready: ${error.answer}`
                    : "waiting for Nomad to answer",
            );
            await sleep(pause, wait.signal);
        }
    }
}

/** What is wrong with the deployment's allocations, as far as the servers can be asked. */
async function detailsOf(client: NomadClient, deploymentId: string): Promise<string[]> {
    try {
        return explainAllocations(
            await client.deploymentAllocations(deploymentId, { signal: AbortSignal.timeout(5000) }),
        );
    } catch {
        return [];
    }
}

function abortReason(signal: AbortSignal): string {
    return signal.reason instanceof Error ? signal.reason.message : "the wait was ended";
}

function lines(first: string, others: string[]): string {
    return [first, ...others.filter((line) => line !== "").map((line) => `  ${line}`)].join("\n");
}
