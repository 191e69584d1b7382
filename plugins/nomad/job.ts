import { boolean, integer, list, map, object, resource, string } from "../lib";
import { withLeader } from "../lib/http-api";
import { waitUntilStopped } from "./deployment";
import { observedOutputs, specifiedOutputs } from "./job-outputs";
import { allocationIds, deploy } from "./registration";
import { identity, identityChanges, isUnknown, meanTheSame, parseInPreview } from "./specification";

import type { Change, Values } from "../lib";
import type { JobKey, NomadClient } from "./client";
import type { Inputs, JobContext, State } from "./job-types";

/** Allocations stop within their kill_timeout and shutdown_delay; longer than this a deletion does not wait. */
const stopLimit = 90_000;

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
