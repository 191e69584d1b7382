import { z } from "zod";

import type { Problem } from "../config-errors";
import { versionProblem } from "../toolchain/choice";
import { compareVersions } from "../toolchain/gobuild";
import { tools } from "../toolchain/versions.json";

/** The versions of a cluster, each like `1.21.0`. */
export interface ClusterVersions {
    consul: string;
    nomad: string;
}

/**
 * Releases of HashiCorp's; by default those of toolchain/versions.json. Whether the vendor has one is found out by
 * set-up, before anything is created.
 */
export const clusterVersions = z
    .strictObject({
        consul: release("consul"),
        nomad: release("nomad"),
    })
    .prefault({});

function release(tool: keyof ClusterVersions) {
    // Not z.string(): of 1.21, a number in YAML, there is more to say than that it is none.
    return z
        .custom<string>((value) => versionProblem(tool, value) === undefined, {
            error: ({ input }) => versionProblem(tool, input),
        })
        .default(tools[tool].version);
}

/**
 * What is wrong with going from the versions of the last update to these: neither system reads what a later version of
 * itself has written to its disk or says to its peers. Pure.
 *
 * @param last the versions of the last update that succeeded, as its outputs say; undefined where there was none
 */
export function noDowngrade(last: Partial<ClusterVersions> | undefined, wanted: ClusterVersions): Problem[] {
    return (["consul", "nomad"] as const).flatMap((tool) => {
        const before = last?.[tool];
        return before === undefined || compareVersions(wanted[tool], before) >= 0
            ? []
            : [
                  {
                      path: `versions.${tool}`,
                      message:
                          `${wanted[tool]} is older than ${before}, which the cluster runs; ${tool} cannot go back: ` +
                          `choose ${before} or later, or make a new stack with ${wanted[tool]}`,
                  },
              ];
    });
}
