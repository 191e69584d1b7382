import * as pulumi from "@pulumi/pulumi";

import type { Config } from "../config";
import { formatProblems } from "../config-errors";
import { unsafeChanges } from "./cluster-changes";
import type { LastRotations } from "./rotations";
import { lastRotations } from "./routed-changes";

/** What a lab has to know of the update before. */
export interface LastUpdate {
    rotations: LastRotations;
    /** The output `lifetime` as it was left; anything but a lifetime where there is none yet. */
    lifetime: unknown;
}

/**
 * Compares the settings with the outputs that the last update left, in previews, too. A stack that was never up has
 * none. An update that fails half-way leaves those of the one before it.
 *
 * @throws pulumi.RunError that lists what cannot be done in one update, with the steps. To be called before the first
 *     resource: what is refused changes nothing.
 */
export async function refuseUnsafeChanges(config: Config): Promise<LastUpdate> {
    const stack = pulumi.getStack();
    const { cluster, lifetime } = await outputsOf(
        `${pulumi.getOrganization()}/${pulumi.getProject()}/${stack}`,
    );
    const problems = unsafeChanges(cluster, config, stack);
    if (problems.length > 0) {
        throw new pulumi.RunError(formatProblems(problems));
    }
    return { rotations: config.lab === "routed" ? lastRotations(cluster) : undefined, lifetime };
}

/**
 * A stack's outputs; secret ones are of no use here. What a `StackReference` does, which as a resource would keep a
 * copy of all outputs in the state and show in every preview how they have changed.
 */
async function outputsOf(stack: string): Promise<Record<string, unknown>> {
    const { outputs } = (await pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", { name: stack })) as {
        outputs: Record<string, unknown>;
    };
    return outputs;
}
