import type { FastifyInstance, FastifyRequest } from "fastify";

import type { Platform } from "./platform";

/** Adds the routes of one kind of thing. */
export type Routes = (app: FastifyInstance, platform: Platform) => void;

/** The numbered parts of a path; anything that is not a number finds nothing. */
export function ids(request: FastifyRequest): Record<string, string> {
    return request.params as Record<string, string>;
}

export function bodyOf<T>(request: FastifyRequest): T {
    return (request.body ?? {}) as T;
}

/** The keys of `values` that are there and not null: what an update changes. */
export function given<T extends object>(values: T, ...keys: (keyof T)[]): Partial<T> {
    const entries = keys.filter((key) => values[key] !== undefined && values[key] !== null);
    return Object.fromEntries(entries.map((key) => [key, values[key]])) as Partial<T>;
}

/** `values` without one of its keys: what the API shows of something that knows more. */
export function without<T extends object, K extends keyof T>(values: T, key: K): Omit<T, K> {
    const rest = { ...values };
    delete rest[key];
    return rest;
}
