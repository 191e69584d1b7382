import { z } from "zod";

import type { Config } from "../config";
import type { Problem } from "../config-errors";
import { labs } from "../settings/common";
import { unsafeEtcdChanges } from "./etcd-changes";
import { downFirst } from "./kept-place";
import { unsafeRoutedChanges } from "./routed-changes";

/** Whose cluster an output is of. The lab `routed` did not say so when it was the only one. */
const owner = z.object({ lab: z.enum(labs).default("routed") });

/**
 * What cannot be changed in one update without the loss of a cluster, each with the way to do it. Pure.
 *
 * @param last the output `cluster` of the last update; undefined if there is no cluster to lose
 * @param config the settings that are to come
 * @param stack the stack's name
 */
export function unsafeChanges(last: unknown, config: Config, stack: string): Problem[] {
    if (last === undefined) {
        return [];
    }
    const { lab } = owner.parse(last);
    if (config.lab !== lab) {
        const message =
            `${config.lab}, but the stack is the lab ${lab}: its cluster would go with everything that it holds; ` +
            `make another stack for the lab ${config.lab}, or ${downFirst(stack)}`;
        return [{ path: "lab", message }];
    }
    switch (config.lab) {
        case "routed":
            return unsafeRoutedChanges(last, config, stack);
        case "etcd":
            return unsafeEtcdChanges(last, config, stack);
        default:
            return [];
    }
}
