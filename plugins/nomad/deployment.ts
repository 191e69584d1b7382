import { HttpError, isTransient, sleep } from "../lib/http-api";
import type { ResourceLog } from "../lib";
import type { Deployment, Evaluation } from "./api";
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

/**
 * As the official plugin: follows the evaluation, then its deployment, to a successful end. "failed before": the
 * registration changed nothing about a job whose deployment had failed already, and Nomad deploys a version only once.
 */
export async function waitForDeployment(
    wait: Wait,
    evaluationId: string,
): Promise<Outcome | "failed before"> {
    wait.log.status("scheduling");
    const evaluation = await waitForEvaluation(wait, evaluationId);
    const unplaced = explainPlacement(evaluation.FailedTGAllocs);
    if (unplaced.length > 0) {
        wait.log.warn(`${unplaced.join("\n")}\nNomad places them as soon as that changes; still waiting`);
    }
    const deployment = await deploymentOf(wait, evaluation);
    if (!deployment) {
        return none;
    }
    if (deployment.Status === "failed" && deployment.ModifyIndex < evaluation.CreateIndex) {
        return "failed before";
    }
    return followDeployment(wait, deployment.ID, unplaced);
}

/** Batch jobs and jobs without an update block have none; a job that did not change keeps that of its version. */
async function deploymentOf(wait: Wait, evaluation: Evaluation): Promise<Deployment | undefined> {
    const { client, key, signal } = wait;
    if (evaluation.DeploymentID) {
        return (await patiently(wait, () => client.deployment(evaluation.DeploymentID, 0, { signal }))).value;
    }
    const job = await patiently(wait, () => client.job(key, { signal }));
    const latest = await patiently(wait, () => client.latestDeployment(key, { signal }));
    return latest && latest.JobVersion === job?.Version && latest.Status !== "cancelled" ? latest : undefined;
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
