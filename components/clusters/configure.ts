import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";

import type { Machine } from "../machines/machine";
import type { NodeConfiguration } from "./node-files";
import {
    onMachine,
    rollArgument,
    type RollArgs,
    rollSecrets,
    scriptCommand,
    scriptInput,
    stateFolder,
    turnFiles,
    withEndpoints,
} from "./node-script";

/** What puts a configuration in place, behind the files of a turn. */
const applyFiles = ["files.py", "units.py", "apply.py"];

export interface ConfigureNodeArgs {
    machine: Machine;
    /** Secret or not: it travels as a secret. A change is put in place; nothing is replaced. */
    configuration: pulumi.Input<NodeConfiguration>;
    /**
     * Makes a node that is a healthy member of its cluster wait for its turn before anything of a running unit
     * changes. Default: it does not wait.
     */
    roll?: RollArgs;
    /** What makes it run anew besides a change: the machine's `instanceId` at least. */
    triggers: pulumi.Input<unknown>[];
    /** Seconds within which each unit has to be healthy after its change; of a new node at least `roll.timeout`. Default: 120. */
    timeout?: number;
    /** The folder in which the machine remembers. Default: `/var/lib/gatehouse`. For tests. */
    state?: string;
}

/** What the script prints. */
export interface ConfigureReport {
    /** Paths that were written or removed. */
    changed: string[];
    /** Units that were started or restarted. */
    restarted: string[];
    reloaded: string[];
    /** Seconds that it waited for its turn, if it did. */
    waited?: number;
    note?: string;
    seconds: number;
}

/**
 * Puts a node's files in place over SSH and reloads or restarts the units whose files changed, and only those. Its
 * output is a {@link ConfigureReport} as JSON.
 *
 * Each unit's `check` runs on the new files first: when one fails, the old files are back and nothing has stopped. When
 * a unit does not take its change, or does not get healthy after it, the old files come back, too, and the unit is
 * restarted on them; the nodes that wait for their turn keep what they have. Files that an earlier configuration had are
 * removed, units that it had are stopped. An interrupted run is finished by the next: the machine remembers which files
 * each unit runs on (`files.json` in its state folder).
 *
 * @throws the update fails with the unit's last lines, out of which the secrets of the configuration are taken
 */
export function configureNode(
    name: string,
    args: ConfigureNodeArgs,
    opts: pulumi.CustomResourceOptions,
): command.remote.Command {
    const create = withEndpoints(args.roll, (endpoints) => configureScript(args, endpoints).create);
    const { stdin } = configureScript(args);
    return new command.remote.Command(
        name,
        { ...onMachine(args.machine), create, stdin, triggers: args.triggers },
        opts,
    );
}

/** The script as a command and its input. `endpoints`: those of `args.roll.etcd`. */
export function configureScript(
    args: Omit<ConfigureNodeArgs, "machine" | "triggers"> & { machine: { name: string } },
    endpoints?: readonly string[],
): {
    create: string;
    stdin: pulumi.Output<string>;
} {
    const { roll } = args;
    const node = args.machine.name;
    const create = scriptCommand({
        node,
        state: args.state ?? roll?.state ?? stateFolder,
        timeout: args.timeout ?? 120,
        ...(roll && { roll: rollArgument(node, roll, endpoints) }),
    });
    const files = roll ? turnFiles(roll) : ["machine.py"];
    const stdin = pulumi
        .all([args.configuration, rollSecrets(roll)])
        .apply(([configuration, tokens]) =>
            pulumi.secret(scriptInput([...files, ...applyFiles], { configuration, ...tokens })),
        );
    return { create, stdin };
}
