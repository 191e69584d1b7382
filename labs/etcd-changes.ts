import { z } from "zod";

import type { Problem } from "../config-errors";
import type { EtcdSettings } from "../settings/etcd";
import { keepPlace, placeSummary } from "./kept-place";

/** What the output `cluster` of the lab says: all that a later update may not change at will. */
const storeSummary = placeSummary.extend({
    lab: z.literal("etcd"),
    /** The generation of passwords that is in use; etcd knows the next one as well. */
    passwords: z.int(),
});
export type StoreSummary = z.output<typeof storeSummary>;

/** What the lab with these settings will say of itself. Pure. */
export function summariseStore({ network, passwords }: EtcdSettings, stack: string): StoreSummary {
    return { lab: "etcd", stack, subnet: network.subnet, passwords: passwords.rotation };
}

/**
 * What would lose the store, or shut machines out of it. Fewer members do not: each leaves when the others are well, and
 * hands on what it has. Pure.
 *
 * @param last the output `cluster` of the last update
 */
export function unsafeEtcdChanges(last: unknown, settings: EtcdSettings, stack: string): Problem[] {
    const known = storeSummary.partial().parse(last);
    const next = summariseStore(settings, stack);
    return [...keepPlace(known, next), ...passwordProblems(known, next)];
}

function passwordProblems({ passwords: last }: Partial<StoreSummary>, next: StoreSummary): Problem[] {
    if (last === undefined || next.passwords === last || next.passwords === last + 1) {
        return [];
    }
    const message =
        next.passwords < last
            ? `${next.passwords}, but passwords of generation ${last} are in use, and etcd has forgotten earlier ones; set it to ${last}, or to ${last + 1} for new ones`
            : `${next.passwords}, but passwords of generation ${last} are in use, and etcd knows the next ones only; raise it one by one, each with an up, ${last + 1} first`;
    return [{ path: "passwords.rotation", message }];
}
