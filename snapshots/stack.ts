import { spawnSync } from "node:child_process";
import { join } from "node:path";

import type { SnapshotAccess } from "../labs/snapshot-access";
import { UserError } from "../toolchain/errors";
import { root } from "../toolchain/paths";

/** What the stack's outputs say about its cluster. Holds secrets. */
export interface Cluster extends SnapshotAccess {
    stack: string;
    /** The variables of the command lines. */
    environment: Record<string, string>;
}

interface Outputs {
    /** Stacks that were made when Consul and Nomad alone had snapshots do not say so. */
    snapshots?: Omit<SnapshotAccess, "systems"> & Partial<Pick<SnapshotAccess, "systems">>;
    environment?: Record<string, string>;
}

/** Asks the front door, so that any backend of Pulumi's will do. @throws UserError if the stack has no snapshots */
export function clusterOf(stack: string): Cluster {
    const { status, stdout, stderr } = spawnSync(
        process.execPath,
        [join(root, "toolchain/cli.js"), "outputs", stack],
        { encoding: "utf8", env: { ...process.env, SECRETS: "1" }, stdio: ["ignore", "pipe", "pipe"] },
    );
    if (status !== 0) {
        throw new UserError(
            stderr.trim().replace(/^error: /, "") || `the outputs of ${stack} cannot be read`,
        );
    }
    const { snapshots, environment } = JSON.parse(stdout) as Outputs;
    if (snapshots === undefined || environment === undefined) {
        throw new UserError(
            `STACK=${stack}: this stack takes no snapshots`,
            `the labs routed and etcd do, e.g. STACK=routed; a stack that is older than its snapshots needs "make up STACK=${stack}"`,
        );
    }
    return { stack, environment, systems: ["consul", "nomad"], ...snapshots };
}
