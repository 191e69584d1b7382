import { HttpApi, HttpError, Unreachable } from "../lib/http-api";
import { pause } from "../lib";
import { connection, type LinodeConfig } from "./settings";

import type { Context } from "../lib";

const defaultPollMs = 4000;
const defaultMinDelayMs = 3000;
const defaultMaxDelayMs = 30_000;

/** How often an interrupted connection is tried again; an API that answers is asked as long as it says "later". */
const mostInterruptions = 5;

export type Waiting = Pick<Context<unknown>, "signal" | "log">;

interface Page<T> {
    data: T[];
    page: number;
    pages: number;
}

export interface Event {
    id: number;
    action: string;
    status: string;
    message?: string | null;
}

/** A list of errors in the API's own words, without its JSON. */
export class Refused extends Error {
    constructor(
        readonly status: number,
        readonly entries: { reason: string; field?: string }[],
        what: string,
        advice: string,
    ) {
        const reasons = entries
            .map(({ field, reason }) => (field ? `${field}: ${reason}` : reason))
            .join("; ");
        super(`Linode refused to ${what}: ${reasons}${advice ? `. ${advice}` : ""}`);
        this.name = "Refused";
    }
}

/** Linode's API, with the patience of its own client. */
export class LinodeClient {
    readonly api: HttpApi;
    readonly pollMs: number;
    private readonly minDelayMs: number;
    private readonly maxDelayMs: number;

    constructor(
        readonly config: LinodeConfig,
        environment: NodeJS.ProcessEnv = process.env,
    ) {
        this.api = new HttpApi(connection(config, environment));
        this.pollMs = config.eventPollMs ?? defaultPollMs;
        this.minDelayMs = config.minRetryDelayMs ?? defaultMinDelayMs;
        this.maxDelayMs = Math.max(config.maxRetryDelayMs ?? defaultMaxDelayMs, this.minDelayMs);
    }

    get<T>(waiting: Waiting, path: string): Promise<T> {
        return this.ask<T>(waiting, "GET", path);
    }

    /** Nothing when there is no such thing. */
    async find<T>(waiting: Waiting, path: string): Promise<T | undefined> {
        try {
            return await this.get<T>(waiting, path);
        } catch (error) {
            if (error instanceof Refused && error.status === 404) {
                return undefined;
            }
            throw error;
        }
    }

    put<T>(waiting: Waiting, path: string, body: object): Promise<T> {
        return this.ask<T>(waiting, "PUT", path, body);
    }

    /** An action. It is not repeated when the connection breaks, because it may have had its effect. */
    post<T>(waiting: Waiting, path: string, body: object = {}): Promise<T> {
        return this.ask<T>(waiting, "POST", path, body);
    }

    /** Succeeds when there is nothing to delete. */
    async remove(waiting: Waiting, path: string): Promise<void> {
        try {
            await this.ask(waiting, "DELETE", path);
        } catch (error) {
            if (!(error instanceof Refused && error.status === 404)) {
                throw error;
            }
        }
    }

    /** All items that match, over all pages. */
    async list<T>(waiting: Waiting, path: string, filter?: object): Promise<T[]> {
        const all: T[] = [];
        for (let page = 1; ; page += 1) {
            const answer = await this.ask<Page<T>>(waiting, "GET", path, undefined, {
                query: { page },
                headers: filter ? { "X-Filter": JSON.stringify(filter) } : {},
            });
            all.push(...answer.data);
            if (page >= answer.pages) {
                return all;
            }
        }
    }

    /**
     * Makes a thing. When the connection breaks, nobody knows whether it was made: the one that matches `filter` and was
     * made since is taken for it, and without one the request is sent again.
     *
     * @param ours tells by something else than its age whether the one that matches is the one that was made
     */
    async create<T extends { created?: string; updated?: string }>(
        waiting: Waiting,
        path: string,
        body: object,
        filter?: object,
        ours?: (found: T) => boolean,
    ): Promise<T> {
        const since = new Date(Date.now() - clockSkew).toISOString().slice(0, 19);
        for (let interruption = 0; ; interruption += 1) {
            try {
                return await this.post<T>(waiting, path, body);
            } catch (error) {
                if (!(error instanceof Unreachable) || !filter || interruption >= mostInterruptions) {
                    throw error;
                }
                await pause(this.minDelayMs, waiting.signal);
                const found = await this.list<T>(waiting, path, filter);
                const made = found.find(
                    ours ?? (({ created, updated = "" }) => (created ?? updated) >= since),
                );
                if (made) {
                    return made;
                }
            }
        }
    }

    /** The events of a kind that there are, the newest first. */
    async events(waiting: Waiting, entity: { id: number; type: string }, action: string): Promise<Event[]> {
        return this.list<Event>(waiting, "/account/events", {
            "+order_by": "created",
            "+order": "desc",
            "entity.id": entity.id,
            "entity.type": entity.type,
            action,
        });
    }

    /** Runs `act` and waits until the event that it causes has finished. */
    async finished(
        waiting: Waiting,
        entity: { id: number; type: string },
        action: string,
        act: () => Promise<unknown>,
    ): Promise<void> {
        const known = new Set((await this.events(waiting, entity, action)).map(({ id }) => id));
        await act();
        let event: Event | undefined;
        while (!event || event.status === "scheduled" || event.status === "started") {
            await pause(this.pollMs, waiting.signal);
            event = event
                ? await this.get<Event>(waiting, `/account/events/${event.id}`)
                : (await this.events(waiting, entity, action)).find(({ id }) => !known.has(id));
            waiting.log.status(`${action}: ${event?.status ?? "waiting for its event"}`);
        }
        if (event.status === "failed") {
            throw new Error(`Linode's job ${action} has failed${event.message ? `: ${event.message}` : ""}`);
        }
    }

    private async ask<T>(
        { signal, log }: Waiting,
        method: string,
        path: string,
        body?: object,
        options: { query?: Record<string, number>; headers?: Record<string, string> } = {},
    ): Promise<T> {
        let interruptions = 0;
        for (let attempt = 0; ; attempt += 1) {
            try {
                return (await this.api.request<T>(method, path, { ...options, body, signal })).body;
            } catch (error) {
                const broken = error instanceof Unreachable && method !== "POST";
                interruptions += broken ? 1 : 0;
                if (!(broken && interruptions <= mostInterruptions) && !saysLater(error, path)) {
                    throw refused(error, method, path);
                }
                const seconds = error instanceof HttpError ? Number(error.headers["retry-after"]) : NaN;
                const delay = Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : this.delay(attempt);
                log.status(`Linode is not ready (${(error as Error).message.slice(0, 120)}); trying again`);
                await pause(delay, signal);
            }
        }
    }

    private delay(attempt: number): number {
        return Math.min(this.maxDelayMs, this.minDelayMs * 2 ** Math.min(attempt, 10));
    }
}

/** By how much the clocks of this machine and of the API may differ. */
const clockSkew = 120_000;

/** What Linode's own client repeats: too many requests, time-outs, a busy instance, and its addresses' 500. */
function saysLater(error: unknown, path: string): boolean {
    if (!(error instanceof HttpError)) {
        return false;
    }
    const { status, headers, answer } = error;
    return (
        status === 408 ||
        status === 429 ||
        (status === 503 && headers["x-maintenance-mode"] === undefined) ||
        (status === 400 && /"Linode busy\."/.test(answer)) ||
        (status === 500 && /^\/linode\/instances\/\d+\/ips$/.test(path))
    );
}

function refused(error: unknown, method: string, path: string): unknown {
    if (!(error instanceof HttpError)) {
        return error;
    }
    const [json = ""] = /^\{.*\}/s.exec(error.answer) ?? [];
    try {
        const { errors } = JSON.parse(json) as { errors: { reason: string; field?: string }[] };
        const verb = { GET: "show", POST: "create", PUT: "change", DELETE: "delete" }[method] ?? method;
        const advice = error.answer.slice(json.length).replace(/^\.\s*/, "");
        return new Refused(
            error.status,
            errors,
            `${verb} ${path}`,
            advice || adviceFor(error.status, errors),
        );
    } catch {
        return error;
    }
}

/** What to do about refusals that a program's settings bring about. */
function adviceFor(status: number, errors: { reason: string; field?: string }[]): string {
    const has = (field: string) => errors.some((entry) => entry.field === field);
    if (status === 403 && /not currently available/.test(errors[0]?.reason ?? "")) {
        return `Choose another "region" or "type"`;
    }
    if (errors.some(({ reason }) => /Account Limit reached/i.test(reason))) {
        return "Delete what is not needed any more, or ask Linode's support for a higher limit";
    }
    if (errors.some(({ reason }) => /Label must be unique/.test(reason))) {
        return `Choose another "label", or delete what has it`;
    }
    if (has("type") && has("region")) {
        return `Check "region" and "type"`;
    }
    return has("region") ? `Check "region"` : has("type") ? `Check "type"` : "";
}

/** The number that an id is; ids of imported things may be anything. */
export function numberOf(id: string, what: string): number {
    if (!/^\d+$/.test(id)) {
        throw new Error(`"${id}" is not the id of ${what}: it must be a number`);
    }
    return Number(id);
}

/** A date as the official provider shows it. */
export const rfc3339 = (date: string | undefined): string | undefined => (date ? `${date}Z` : undefined);

/** Ids in the path of a part, as they are imported: `123,456`. */
export function idsOf(id: string, count: number, what: string): number[] {
    const parts = id.split(",").map((part) => part.trim());
    if (parts.length !== count) {
        throw new Error(`import ${what} as ${count} ids with commas between them, not as "${id}"`);
    }
    return parts.map((part) => numberOf(part, what));
}
