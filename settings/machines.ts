import { z } from "zod";

import { hostOffset } from "../components/machines/addresses";
import type { Problem } from "../config-errors";

/** A part of machines' names, which are host names of at most 32 characters. */
export const machineGroup = z.string().regex(/^[a-z]([a-z0-9-]{0,26}[a-z0-9])?$/, {
    error: "must be lower-case letters, digits and hyphens, at most 28, starting with a letter",
});

/** Machines of one group. Adding or removing one touches no other. */
export const machineCount = z
    .int()
    .min(0)
    .max(79, { error: "must be at most 79: the network has no more addresses for machines of one name" });

/**
 * How many vote in a consensus.
 *
 * @param who servers or members
 * @param most what the system is made for
 * @param without what does not work without any
 */
export function voterCount(who: string, most: number, without: string) {
    return z
        .int()
        .min(1, { error: `must be at least 1: ${without}` })
        .max(most, {
            error: `must be at most ${most}: a write waits for most of the ${who}, so more make it slower, not safer (machines that run jobs or applications are another setting)`,
        })
        .refine((count) => count % 2 === 1 || count < 1 || count > most, {
            error: ({ input }) => {
                const count = Number(input);
                const near = [count - 1, count + 1].filter((each) => each <= most).join(" or ");
                return `must be odd, such as ${near}: ${count} ${who} tolerate no more failures than ${count - 1}`;
            },
        });
}

/** `web-1`, `web-2` … */
export function numbered(group: string, count: number): string[] {
    return Array.from({ length: count }, (_, index) => `${group}-${index + 1}`);
}

/**
 * A machine's address follows from its name alone, so two names can meet, and a name's numbers can end.
 *
 * @param nodes the machines of a lab, each with the group of the setting that it comes from
 * @param setting the setting that has the groups, e.g. `pools`
 */
export function withoutAddress(
    nodes: readonly { name: string; group: string }[],
    setting: string,
): Problem[] {
    const problems = new Map<string, Problem>();
    const owners = new Map<number, string>();
    for (const { name, group } of nodes) {
        try {
            const offset = hostOffset(name);
            const other = owners.get(offset);
            if (other !== undefined && !problems.has(group)) {
                problems.set(group, {
                    path: `${setting}.${group}`,
                    message: `its machine ${name} would have the address of ${other}, since both follow from the names; choose another name, or fewer machines`,
                });
            }
            owners.set(offset, other ?? name);
        } catch (error) {
            if (!problems.has(group)) {
                problems.set(group, {
                    path: `${setting}.${group}.count`,
                    message: `${(error as Error).message} Choose fewer, or another name`,
                });
            }
        }
    }
    return [...problems.values()];
}
