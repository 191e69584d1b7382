import type { Properties, ResourceDefinition, Values } from "../lib";
import { idsOf, type LinodeClient } from "./client";

/** A thing of the API that is made, shown, changed and deleted by one path each, with no job to wait for. */
export interface Simple {
    inputs: Properties;
    outputs?: Properties;
    /** What it is called in messages. */
    what: string;
    /** How many ids an import takes: its parents' and its own. Default 1. */
    ids?: number;
    /** Where its kind lives, given its inputs. */
    path: (values: Values) => string;
    /** The inputs that say where it lives, of the ids of an import. */
    parents?: (ids: number[]) => Values;
    /** The request that makes it. */
    create: (inputs: Values) => object;
    /** The request that changes it; left out: every change replaces it. */
    change?: (inputs: Values) => object;
    /** What finds the one that was made when the connection broke; left out: it cannot be told from others. */
    filter?: (inputs: Values) => object;
    /**
     * Tells whether what the filter has found was made just now. Left out: by its age; what has parents is always the
     * program's own.
     */
    isNew?: (answer: never) => boolean;
    /** The API's answer in the words of the official provider: inputs and outputs. */
    show: (answer: never, state: Values) => { inputs: Values; outputs: Values };
    /** An old one has to go first, because two cannot be there at once. */
    deleteBeforeReplace?: boolean;
}

export function simple(thing: Simple): ResourceDefinition<LinodeClient, Values, Values> {
    const { change } = thing;
    const own = (values: Values, id: string) => `${thing.path(values)}/${id}`;
    return {
        inputs: thing.inputs,
        outputs: thing.outputs,
        deleteBeforeReplace: thing.deleteBeforeReplace,

        create: async (context, inputs) => {
            const made = await context.client.create<{ id: number; created?: string }>(
                context,
                thing.path(inputs),
                thing.create(inputs),
                thing.filter?.(inputs),
                thing.parents === undefined ? (thing.isNew as (made: object) => boolean) : () => true,
            );
            const shown = thing.show(made as never, inputs);
            return {
                id: String(made.id),
                outputs: { ...filled(thing.inputs, inputs, shown.inputs), ...shown.outputs },
            };
        },

        read: async (context, id, state) => {
            const ids = state ? undefined : idsOf(id, thing.ids ?? 1, thing.what);
            const where = state ?? thing.parents?.(ids!) ?? {};
            const last = ids ? String(ids.at(-1)) : id;
            const found = await context.client.find(context, own(where, last));
            if (!found) {
                return undefined;
            }
            const shown = thing.show(found as never, where);
            return {
                id: last,
                outputs: shown.outputs,
                inputs: { ...parentsOf(where, thing), ...shown.inputs },
            };
        },

        ...(change
            ? {
                  update: async (context, id, state, news) => {
                      const changed = await context.client.put(context, own(state, id), change(news));
                      const shown = thing.show(changed as never, news);
                      return { ...filled(thing.inputs, news, shown.inputs), ...shown.outputs };
                  },
              }
            : {}),

        delete: async (context, id, state) => context.client.remove(context, own(state, id)),
    };
}

/** The inputs that the program left to the API. */
function filled(properties: Properties, given: Values, shown: Values): Values {
    const names = Object.keys(shown).filter(
        (name) => properties[name]?.computed && given[name] === undefined,
    );
    return Object.fromEntries(names.map((name) => [name, shown[name]]));
}

/** The parents' ids, which the API's answer does not always repeat. */
function parentsOf(values: Values, { parents, ids = 1 }: Simple): Values {
    const names = parents ? Object.keys(parents(new Array<number>(ids).fill(0))) : [];
    return Object.fromEntries(names.map((name) => [name, values[name]]));
}

/** `values` under the API's names; what is not given is left out. */
export function renamed(values: Values, names: Record<string, string>): Record<string, unknown> {
    return Object.fromEntries(
        Object.entries(names)
            .filter(([ours]) => values[ours] !== undefined)
            .map(([ours, theirs]) => [theirs, values[ours]]),
    );
}

/** The API's values under the official provider's names. */
export function named(answer: Record<string, unknown>, names: Record<string, string>): Values {
    return Object.fromEntries(
        Object.entries(names)
            .filter(([, theirs]) => answer[theirs] !== undefined && answer[theirs] !== null)
            .map(([ours, theirs]) => [ours, answer[theirs]]),
    ) as Values;
}
