import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";

import type { Machine } from "../../machines/machine";
import { onMachine } from "../node-script";
import { etcdSeedFile } from "./member";

export interface FoundingArgs {
    /** The cluster's. Who is among them when the cluster is made is a founder for ever; others join. */
    members: readonly Machine[];
    /** Whether a member's next machine, too, may begin a cluster, without any data: for one that is alone. */
    expendable: boolean;
    /** Where a machine keeps its seed. Default: {@link etcdSeedFile}. For tests. */
    seedFile?: (machine: Machine) => string;
}

/** Which cluster it is, and who may begin it. */
export class Founding {
    /** Never that of another cluster, also not of the one before. */
    readonly clusterToken: pulumi.Output<string>;

    private readonly founders: pulumi.Output<string[]>;

    constructor(
        name: string,
        private readonly args: FoundingArgs,
        private readonly child: pulumi.CustomResourceOptions,
    ) {
        const token = new random.RandomBytes(
            `${name}-token`,
            { length: 16, keepers: { members: args.members.map((machine) => machine.name).join() } },
            // It remembers who was there first.
            { ...child, ignoreChanges: ["keepers"] },
        );
        this.clusterToken = token.hex;
        this.founders = token.keepers.apply((keepers) => (keepers?.members ?? "").split(","));
    }

    /**
     * Makes a founder of a machine, in its first life alone: without a trigger, a successor gets no seed. It would begin
     * another cluster when it cannot reach the others.
     */
    seed(machine: Machine): command.remote.Command {
        const { expendable, seedFile } = this.args;
        const sow = sowing(seedFile?.(machine) ?? etcdSeedFile);
        return new command.remote.Command(
            `${machine.name}-seed`,
            {
                ...onMachine(machine),
                create: this.founders.apply((founders) => (founders.includes(machine.name) ? sow : "true")),
                update: "true",
                // Not a reason to run again, but to wait: a machine that fails to boot reports that itself.
                stdin: pulumi.all([this.clusterToken, machine.ready]).apply(([token]) => token),
                triggers: expendable ? [machine.instanceId] : [],
            },
            this.child,
        );
    }
}

/** All of the file or nothing of it: what it holds comes on the standard input. */
function sowing(file: string): string {
    return `mkdir -p "$(dirname ${file})" && cat >${file}.draft && mv ${file}.draft ${file}`;
}
