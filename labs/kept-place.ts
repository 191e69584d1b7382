import { z } from "zod";

import type { Problem } from "../config-errors";

/** What every output `cluster` says: where the cluster is, which no update can change without its loss. */
export const placeSummary = z.object({
    /** The stack's name, which every object's name has in it. */
    stack: z.string(),
    /** The machines' network in CIDR notation. */
    subnet: z.string(),
});
export type PlaceSummary = z.output<typeof placeSummary>;

/** What is wrong with another network or name. Of the last update only what its version of the lab said. Pure. */
export function keepPlace(last: Partial<PlaceSummary>, next: PlaceSummary): Problem[] {
    return [...keepNetwork(last, next), ...keepName(last, next)];
}

function keepNetwork({ subnet }: Partial<PlaceSummary>, next: PlaceSummary): Problem[] {
    return same(subnet, next.subnet)
        ? []
        : [
              {
                  path: "network.subnet",
                  message: `${next.subnet}, but the machines are in ${subnet}, and another network replaces all of them at once; ${orElse(subnet, next)}`,
              },
          ];
}

function keepName({ stack }: Partial<PlaceSummary>, next: PlaceSummary): Problem[] {
    return same(stack, next.stack)
        ? []
        : [
              {
                  path: "network",
                  message: `its name has that of the stack in it, which was ${stack}: under the name ${next.stack} all machines would be replaced at once; give the stack its name back (pulumi stack rename ${stack}), or ${downFirst(next.stack)}`,
              },
          ];
}

/** An earlier version of the lab may not have said it. */
export function same(last: string | undefined, next: string): boolean {
    return last === undefined || last === next;
}

export function orElse(last: string | undefined, { stack }: PlaceSummary): string {
    return `set it back to ${last}, make a second stack beside this one and move over, or ${downFirst(stack)}`;
}

export function downFirst(stack: string): string {
    return `run make down STACK=${stack} first, which removes all that the cluster holds`;
}
