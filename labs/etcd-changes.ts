import { z } from "zod";

import type { Problem } from "../config-errors";
import type { EtcdSettings } from "../settings/etcd";
import { keepPlace, placeSummary } from "./kept-place";

/** What the output `cluster` of the lab says: all that a later update may not change at will. */
const storeSummary = placeSummary.extend({ lab: z.literal("etcd") });
export type StoreSummary = z.output<typeof storeSummary>;

/** What the lab with these settings will say of itself. Pure. */
export function summariseStore({ network }: EtcdSettings, stack: string): StoreSummary {
    return { lab: "etcd", stack, subnet: network.subnet };
}

/**
 * What would lose the store. Fewer members do not: each leaves when the others are well, and hands on what it has. Pure.
 *
 * @param last the output `cluster` of the last update
 */
export function unsafeEtcdChanges(last: unknown, settings: EtcdSettings, stack: string): Problem[] {
    return keepPlace(storeSummary.partial().parse(last), summariseStore(settings, stack));
}
