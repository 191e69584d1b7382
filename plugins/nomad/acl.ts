import { pause } from "../lib";
import { HttpError, withLeader, type RequestOptions } from "../lib/http-api";

import type { Context } from "../lib";
import type { NomadClient } from "./client";

export interface Policy {
    Name: string;
    Description: string;
    Rules: string;
    JobACL?: { Namespace: string; JobID: string; Group: string; Task: string } | null;
}

export interface Token {
    AccessorID: string;
    SecretID: string;
    Name: string;
    Type: string;
    Policies?: string[] | null;
    Roles?: { ID: string; Name?: string }[] | null;
    Global: boolean;
    /** A duration, e.g. `1h0m0s`. */
    ExpirationTTL?: string;
    ExpirationTime?: string | null;
    CreateTime: string;
}

export interface Role {
    ID: string;
    Name: string;
    Description: string;
    Policies?: { Name: string }[] | null;
}

export interface AuthMethod {
    Name: string;
    Type: string;
    TokenLocality: string;
    TokenNameFormat: string;
    /** A duration, e.g. `1h0m0s`. */
    MaxTokenTTL: string;
    Default: boolean;
    Config?: Record<string, unknown> | null;
}

export interface BindingRule {
    ID: string;
    Description: string;
    AuthMethod: string;
    Selector: string;
    BindType: string;
    BindName: string;
}

export interface Namespace {
    Name: string;
    Description: string;
    Quota?: string;
    Meta?: Record<string, string> | null;
    Capabilities?: Record<string, string[] | null> | null;
}

export interface NodePool {
    Name: string;
    Description: string;
    Meta?: Record<string, string> | null;
    SchedulerConfiguration?: {
        SchedulerAlgorithm?: string;
        MemoryOversubscriptionEnabled?: boolean | null;
    } | null;
}

type Calls = Pick<Context<NomadClient>, "client" | "signal" | "log">;

/** `undefined` when there is none. Waits, as the others here do, while the servers elect a leader. */
export async function read<T>(calls: Calls, path: string): Promise<T | undefined> {
    try {
        return await withLeader(calls, () => calls.client.api.get<T>(path, options(calls)));
    } catch (error) {
        if (error instanceof HttpError && error.status === 404) {
            return undefined;
        }
        throw error;
    }
}

/** Creates or changes; `what` is for the message if Nomad refuses. */
export async function write<T>(calls: Calls, path: string, what: string, body: object): Promise<T> {
    try {
        return await withLeader(calls, () => calls.client.api.put<T>(path, body, options(calls)));
    } catch (error) {
        throw error instanceof HttpError
            ? new Error(`Nomad refuses the ${what}: ${oneLine(error.answer)}`, { cause: error })
            : error;
    }
}

/** Succeeds when it is already gone. */
export async function remove(calls: Calls, path: string, what: string): Promise<void> {
    try {
        await withLeader(calls, () => calls.client.api.delete(path, options(calls)));
    } catch (error) {
        if (!(error instanceof HttpError)) {
            throw error;
        }
        if (error.status !== 404 && !/not found|nonexistent/i.test(error.answer)) {
            throw new Error(`Nomad does not remove the ${what}: ${oneLine(error.answer)}`, { cause: error });
        }
    }
}

/** What ends within moments when the things that use a resource are removed just before it. */
const passing = /has non-terminal|has (existing )?nodes/i;

/** Milliseconds, unless `customTimeouts` says otherwise; the official plugin tries ten times in fifty seconds. */
const patience = 50_000;

/** As `remove`, but waits for jobs that stop and nodes that leave. */
export async function removeWhenUnused(
    context: Context<NomadClient>,
    path: string,
    what: string,
): Promise<void> {
    const end = Date.now() + (context.timeout ?? patience);
    for (;;) {
        try {
            return await remove(context, path, what);
        } catch (error) {
            if (!(error instanceof Error) || !passing.test(error.message) || Date.now() > end) {
                throw error;
            }
            context.log.status(error.message);
            await pause(500, context.signal);
        }
    }
}

function options({ client, signal }: Calls): RequestOptions {
    return { signal, query: { region: client.region } };
}

/** Nomad's lists of errors take several lines. */
function oneLine(text: string): string {
    return text.replace(/\s*\n\s*/g, " ");
}
