import { equal, hasUnknown, messageOf } from "../lib";
import { HttpError, isTransient, Unreachable, withLeader } from "../lib/http-api";
import { outline, renderVariables } from "./jobspec";

import type { Change } from "../lib";
import type { Job } from "./api";
import type { Inputs, JobContext, State } from "./job-types";

/** Previews work without a cluster: what does not answer soon is taken as not there. */
const previewTimeout = 2000;

export function isUnknown(inputs: Inputs): boolean {
    return hasUnknown({ jobspec: inputs.jobspec, json: inputs.json, hcl2: inputs.hcl2 });
}

/** Another namespace is another job; so is another ID, unless `deregisterOnIdChange` says to leave the old one alone. */
export async function identityChanges(context: JobContext, state: State, news: Inputs): Promise<Change[]> {
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

export async function meanTheSame(context: JobContext, oldInputs: Inputs, news: Inputs): Promise<boolean> {
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

export function identity(inputs: Inputs): { id?: string; namespace?: string } {
    if (inputs.json) {
        const { ID, Namespace } = parseJson(inputs.jobspec);
        return { id: ID, namespace: Namespace || "default" };
    }
    return outline(inputs.jobspec) ?? {};
}

/** The canonical job; undefined where no cluster answers. A wrong specification fails the preview. */
export async function parseInPreview(context: JobContext, inputs: Inputs): Promise<Job | undefined> {
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

export async function parseToRegister(context: JobContext, inputs: Inputs): Promise<Job> {
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
