import {
    boolean,
    equal,
    hasUnknown,
    integer,
    list,
    map,
    messageOf,
    object,
    PartialFailure,
    resource,
    string,
} from "../lib";
import { HttpError, isTransient, Unreachable, withLeader } from "../lib/http-api";
import { DeploymentError, type Outcome, waitForDeployment, waitUntilStopped } from "./deployment";
import { observedOutputs, specifiedOutputs, type JobOutputs } from "./job-outputs";
import { outline, renderVariables } from "./jobspec";

import type { Change, Context, Values } from "../lib";
import type { Job } from "./api";
import type { JobKey, NomadClient, Registration } from "./client";

interface Inputs {
    jobspec: string;
    json?: boolean;
    hcl2?: { allowFs?: boolean; vars?: Record<string, string> };
    detach: boolean;
    deregisterOnDestroy: boolean;
    deregisterOnIdChange: boolean;
    policyOverride?: boolean;
    purgeOnDestroy?: boolean;
    readAllocationIds: boolean;
    rerunIfDead: boolean;
}

type State = Inputs & JobOutputs;
type JobContext = Context<NomadClient>;

/** The official plugin's limit for a deployment, unless `customTimeouts` says otherwise. */
const deploymentLimit = 5 * 60_000;
/** Allocations stop within their kill_timeout and shutdown_delay; longer than this a deletion does not wait. */
const stopLimit = 90_000;
/** Previews work without a cluster: what does not answer soon is taken as not there. */
const previewTimeout = 2000;

/** Only in jobs that were deployed once more without a change; the next change removes it. */
const attemptMeta = "pulumi_attempt";

const parserInputs = new Set(["jobspec", "json", "hcl2"]);

export const job = resource<NomadClient, Inputs, State>({
    inputs: {
        jobspec: string({ required: true }),
        json: boolean(),
        hcl2: object({ allowFs: boolean({ default: false }), vars: map(string()) }),
        detach: boolean({ default: true }),
        deregisterOnDestroy: boolean({ default: true }),
        deregisterOnIdChange: boolean({ default: true }),
        policyOverride: boolean(),
        purgeOnDestroy: boolean(),
        readAllocationIds: boolean({ default: false }),
        rerunIfDead: boolean({ default: false }),
    },
    outputs: {
        allocationIds: list(string()),
        datacenters: list(string()),
        deploymentId: string(),
        deploymentStatus: string(),
        modifyIndex: string(),
        name: string(),
        namespace: string(),
        region: string(),
        status: string(),
        taskGroups: list(
            object({
                name: string(),
                count: integer(),
                meta: map(string()),
                tasks: list(
                    object({
                        name: string(),
                        driver: string(),
                        meta: map(string()),
                        volumeMounts: list(
                            object({ volume: string(), destination: string(), readOnly: boolean() }),
                        ),
                    }),
                ),
                volumes: list(
                    object({ name: string(), type: string(), readOnly: boolean(), source: string() }),
                ),
            }),
        ),
        type: string(),
    },

    check: (_context, inputs) =>
        inputs.hcl2?.allowFs === true
            ? [
                  {
                      property: "hcl2.allowFs",
                      reason:
                          "this stand-in lets the Nomad server parse the job specification, and the server reads no files; " +
                          "put the file's content into hcl2.vars, or install the official nomad plugin",
                  },
              ]
            : [],

    diff: async (context, { state, oldInputs, news, changes }) => {
        const others = changes.filter((change) => !parserInputs.has(topLevel(change.path)));
        const spec = changes.filter((change) => parserInputs.has(topLevel(change.path)));
        if (spec.length > 0 && !isUnknown(news)) {
            spec.push(...(await identityChanges(context, state, news)));
            if (
                spec.every((change) => change.path === "jobspec") &&
                (await meanTheSame(context, oldInputs, news))
            ) {
                spec.length = 0;
            }
        }
        return [...others, ...spec, ...stateChanges(state, news)];
    },

    changesWith: (changed) =>
        [...parserInputs].some((name) => changed.has(name)) ||
        changed.has("deploymentStatus") ||
        changed.has("status")
            ? [
                  "allocationIds",
                  "datacenters",
                  "deploymentId",
                  "deploymentStatus",
                  "modifyIndex",
                  "region",
                  "status",
                  "taskGroups",
                  "type",
              ]
            : ["deploymentId", "deploymentStatus", "modifyIndex"],

    plan: async (context, inputs) => {
        if (isUnknown(inputs)) {
            return {};
        }
        const planned = await parseInPreview(context, inputs);
        if (planned) {
            return specifiedOutputs(planned);
        }
        const { id, namespace } = identity(inputs);
        return { ...(id ? { name: id } : {}), ...(namespace ? { namespace } : {}) };
    },

    create: async (context, inputs) => {
        const { key, outputs } = await deploy(context, inputs, undefined);
        return { id: key.id, outputs };
    },

    read: async (context, id, state, inputs) => {
        const key = state ? keyOf(id, state) : importKey(id);
        const found = await context.client.job(key, { signal: context.signal });
        if (!found) {
            return undefined;
        }
        const submission = await context.client.submission(key, found.Version ?? 0, {
            signal: context.signal,
        });
        const observed: Values = {};
        if (submission) {
            observed.jobspec = submission.Source;
            observed.json = submission.Format === "json";
            const vars = submission.VariableFlags ?? {};
            if (inputs?.hcl2 || Object.keys(vars).length > 0) {
                observed.hcl2 = { allowFs: inputs?.hcl2?.allowFs ?? false, vars };
            }
        }
        if (!state) {
            Object.assign(observed, defaults, { json: observed.json === true ? true : undefined });
        }
        return {
            id: key.id,
            inputs: observed,
            outputs: {
                ...observedOutputs(found),
                allocationIds: await allocationIds(context, key, inputs),
                ...(state ? {} : { deploymentId: "", deploymentStatus: "" }),
            },
        };
    },

    update: async (context, id, state, news) => (await deploy(context, news, keyOf(id, state))).outputs,

    delete: async (context, id, state) => {
        const key = keyOf(id, state);
        if (state.deregisterOnDestroy === false) {
            context.log.warn(`job "${key.id}" keeps running, because deregisterOnDestroy is false`);
            return;
        }
        // The servers forget a purged job's allocations at once, so it is stopped first and purged when they are gone.
        const deregister = (purge: boolean): Promise<void> =>
            withLeader(context, () => context.client.deregister(key, purge, { signal: context.signal }));
        await deregister(false);
        await stopped(context, key);
        if (state.purgeOnDestroy === true) {
            await deregister(true);
        }
    },
});

/** Waits until the job's allocations have ended, but not for ever: the job is deregistered either way. */
async function stopped(context: JobContext, key: JobKey): Promise<void> {
    const limit = AbortSignal.timeout(stopLimit);
    const signal = AbortSignal.any([context.signal, limit]);
    try {
        await waitUntilStopped({ client: context.client, key, log: context.log, signal });
    } catch (error) {
        if (!limit.aborted || context.signal.aborted) {
            throw error;
        }
        context.log.warn(`job "${key.id}" is deregistered, but some of its allocations have not stopped yet`);
    }
}

const defaults: Partial<Inputs> = {
    detach: true,
    deregisterOnDestroy: true,
    deregisterOnIdChange: true,
    readAllocationIds: false,
    rerunIfDead: false,
};

function topLevel(path: string): string {
    return path.split(/[.[]/, 1)[0] ?? "";
}

function isUnknown(inputs: Inputs): boolean {
    return hasUnknown({ jobspec: inputs.jobspec, json: inputs.json, hcl2: inputs.hcl2 });
}

function keyOf(id: string, state: Partial<State>): JobKey {
    return { id: state.name || id, namespace: state.namespace || "default" };
}

/** `<job id>@<namespace>`, the official plugin's form; the namespace may be left out here. */
function importKey(id: string): JobKey {
    const separator = id.lastIndexOf("@");
    return separator > 0
        ? { id: id.slice(0, separator), namespace: id.slice(separator + 1) || "default" }
        : { id, namespace: "default" };
}

/** Changes that the inputs do not show: the job is not as the last run should have left it. */
function stateChanges(state: State, news: Inputs): Change[] {
    const changes: Change[] = [];
    if (state.status === "dead" && news.rerunIfDead) {
        changes.push({ path: "status", kind: "update", replace: false });
    }
    if (news.detach === false && state.deploymentStatus && state.deploymentStatus !== "successful") {
        changes.push({ path: "deploymentStatus", kind: "update", replace: false });
    }
    return changes;
}

/** Another namespace is another job; so is another ID, unless `deregisterOnIdChange` says to leave the old one alone. */
async function identityChanges(context: JobContext, state: State, news: Inputs): Promise<Change[]> {
    const parsed = await parseInPreview(context, news);
    const { id, namespace } = parsed
        ? { id: parsed.ID, namespace: parsed.Namespace || "default" }
        : identity(news);
    if (namespace !== undefined && namespace !== state.namespace) {
        return [{ path: "namespace", kind: "update", replace: true }];
    }
    if (id !== undefined && id !== state.name && news.deregisterOnIdChange) {
        return [{ path: "name", kind: "update", replace: true }];
    }
    return [];
}

async function meanTheSame(context: JobContext, oldInputs: Inputs, news: Inputs): Promise<boolean> {
    const now = await parseInPreview(context, news);
    if (!now) {
        return false;
    }
    try {
        const before = await parseInPreview(context, { ...news, jobspec: oldInputs.jobspec });
        return before !== undefined && equal(before, now);
    } catch {
        // What cannot be parsed any more is different.
        return false;
    }
}

function identity(inputs: Inputs): { id?: string; namespace?: string } {
    if (inputs.json) {
        const { ID, Namespace } = parseJson(inputs.jobspec);
        return { id: ID, namespace: Namespace || "default" };
    }
    return outline(inputs.jobspec) ?? {};
}

/** The canonical job; undefined where no cluster answers. A wrong specification fails the preview. */
async function parseInPreview(context: JobContext, inputs: Inputs): Promise<Job | undefined> {
    if (inputs.json) {
        return parseJson(inputs.jobspec);
    }
    const variables = renderedVariables(inputs);
    // Without a client the provider's address is not known yet.
    if (!context.client) {
        return undefined;
    }
    try {
        return await context.client.parse(inputs.jobspec, variables, true, {
            signal: context.signal,
            timeout: previewTimeout,
        });
    } catch (error) {
        if (error instanceof Unreachable || isTransient(error) || isForbidden(error)) {
            context.log.debug(`the job specification was not checked: ${messageOf(error)}`);
            return undefined;
        }
        throw specificationError(error);
    }
}

function isForbidden(error: unknown): boolean {
    return error instanceof HttpError && (error.status === 401 || error.status === 403);
}

async function parseToRegister(context: JobContext, inputs: Inputs): Promise<Job> {
    const parsed = inputs.json
        ? parseJson(inputs.jobspec)
        : await withLeader(context, () =>
              context.client.parse(inputs.jobspec, renderedVariables(inputs), false, {
                  signal: context.signal,
              }),
          ).catch((error: unknown) => {
              throw specificationError(error);
          });
    if (!parsed.ID) {
        throw new Error('jobspec: the specification holds no job: it needs a block job "<id>" { … }');
    }
    return { ...parsed, Namespace: parsed.Namespace || "default" };
}

function renderedVariables(inputs: Inputs): string {
    return renderVariables(inputs.jobspec, inputs.hcl2?.vars ?? {});
}

/** The server calls the specification `input.hcl`, and its variables too. */
function specificationError(error: unknown): unknown {
    if (!(error instanceof HttpError) || isTransient(error) || isForbidden(error)) {
        return error;
    }
    const answer = error.answer.replace(/^Failed to parse job: /, "").replaceAll("input.hcl:", "line ");
    return new Error(`jobspec: the job specification is not valid: ${answer}`);
}

/** `nomad job run -output` wraps the job in `{"Job": …}`; both forms are taken. */
function parseJson(jobspec: string): Job {
    let root: unknown;
    try {
        root = JSON.parse(jobspec);
    } catch (error) {
        throw new Error(`jobspec: json is true, but the specification is not JSON: ${messageOf(error)}`);
    }
    const parsed = (root as { Job?: Job } | null)?.Job ?? root;
    if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
        throw new Error("jobspec: json is true, but the specification is not a JSON object");
    }
    return parsed as Job;
}

interface Deployed {
    key: JobKey;
    outputs: JobOutputs;
}

/** Registers the job and, unless detached, waits until it is deployed. */
async function deploy(context: JobContext, inputs: Inputs, existing: JobKey | undefined): Promise<Deployed> {
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

async function allocationIds(
    context: Pick<JobContext, "client" | "signal">,
    key: JobKey,
    inputs: Inputs | undefined,
): Promise<string[]> {
    if (!inputs?.readAllocationIds) {
        return [];
    }
    return (await context.client.jobAllocations(key, { signal: context.signal })).map(({ ID }) => ID);
}
