import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";

import type { Machine } from "../machines/machine";
import { configureNode } from "./configure";
import type { NodeConfiguration } from "./node-files";
import {
    onMachine,
    rollArgument,
    type RollArgs,
    rollSecrets,
    scriptCommand,
    scriptInput,
} from "./node-script";

export interface RollingNodeArgs {
    /** Its resource has to be deleted before it is replaced. */
    machine: Machine;
    /** A change is put in place one node at a time; it replaces nothing. */
    configuration: pulumi.Input<NodeConfiguration>;
    roll: RollArgs;
    /** What has to be there before the node is configured. Default: nothing. */
    after?: pulumi.Input<pulumi.Resource>[];
    /**
     * The units of the cluster's agents, in the order in which they stop when the node leaves for good.
     * Default: `nomad.service` and `consul.service`.
     */
    units?: string[];
}

/**
 * A machine as a member of its clusters, which changes when it is its turn and not before. Four commands make it so;
 * each depends on the one before:
 *
 *     machine ◄── turn ◄── configure ◄── gate ◄── presence
 *
 * | what happens | what runs, in this order |
 * | --- | --- |
 * | a new cluster | `configure` on all machines at once, then every `gate`: the node is a healthy member |
 * | the machine is replaced | the end of `turn`, on the old machine: it waits for the cluster's turn, drains a client, hands leadership over. Then the machine, `configure`, and `gate`, which gives the turn back |
 * | the configuration changes | `configure` takes the turn, changes, waits for health, gives the turn back |
 * | the node is removed | the end of `presence`: it takes the turn and leaves the clusters for good. Then `turn` has nothing to wait for, and the machine goes |
 * | the whole lab is removed | nothing: all are `deletedWith` the lab's foundation. Pass that in the options |
 *
 * Why so: the engine deletes what depends on a machine's `instanceId` before it deletes the machine, so that `turn`
 * (its triggers have the id) is the one place where somebody can wait. `presence` has no trigger, so that a replacement
 * leaves it alone. The waiting cannot be ordered by `dependsOn` between nodes: a chain would make new clusters one
 * machine after the other, and its order could not follow who leads today. Three replaced machines wait for each other
 * in the clusters' own memory instead (`files/turn.py`, with a table of what becomes of interrupted updates).
 *
 * A waiting command keeps one of the engine's workers busy: there have to be more of them (`--parallel`,
 * `PULUMI_PARALLEL`; default four for each core) than nodes of the cluster.
 */
export class RollingNode extends pulumi.ComponentResource {
    /** Done when the node's units run on its configuration; the clusters may still be forming. */
    readonly configured: command.remote.Command;

    private readonly stdin: (script: string[]) => pulumi.Output<string>;

    constructor(
        private readonly name: string,
        private readonly args: RollingNodeArgs,
        private readonly options: pulumi.ComponentResourceOptions = {},
    ) {
        super("gatehouse:clusters:RollingNode", name, {}, options);
        const { machine, roll } = args;
        this.stdin = (scripts) =>
            rollSecrets(roll).apply((tokens) =>
                pulumi.secret(scriptInput(["agents.py", "turn.py", ...scripts], tokens)),
            );
        const turn = new command.remote.Command(
            `${name}-turn`,
            {
                ...onMachine(machine),
                // It only has an end. Its inputs may change meanwhile, tokens for instance.
                update: "true",
                delete: scriptCommand(rollArgument(machine.name, roll)),
                stdin: this.stdin(["let-go.py"]),
                triggers: [machine.instanceId],
            },
            this.child({ deleteBeforeReplace: true }),
        );
        this.configured = configureNode(
            `${name}-configure`,
            {
                machine,
                configuration: args.configuration,
                roll,
                // Not a reason to run again, but to wait: a machine that fails to boot reports that itself.
                triggers: [machine.instanceId, machine.ready.apply(() => "ready")],
            },
            this.child({ dependsOn: [turn, ...(args.after ?? [])] }),
        );
        this.registerOutputs();
    }

    /**
     * The second half, to be called once: the node's gate, which opens when it is a healthy member, and its presence.
     *
     * @param after what the clusters need before anybody can ask for their health: that their ACL systems know the
     *     token of `roll`. It usually depends on the servers' {@link configured}
     */
    admit(after: pulumi.Input<pulumi.Resource>[] = []): command.remote.Command {
        const { machine, roll } = this.args;
        const argument = rollArgument(machine.name, roll);
        const gate = new command.remote.Command(
            `${this.name}-gate`,
            {
                ...onMachine(machine),
                create: scriptCommand(argument),
                stdin: this.stdin(["gate.py"]),
                triggers: [machine.instanceId],
            },
            this.child({ dependsOn: [this.configured, ...after] }),
        );
        const units = this.args.units ?? ["nomad.service", "consul.service"];
        new command.remote.Command(
            `${this.name}-presence`,
            {
                ...onMachine(machine),
                create: scriptCommand({ ...argument, do: "return", units }),
                delete: scriptCommand({ ...argument, do: "leave", units }),
                stdin: this.stdin(["presence.py"]),
            },
            this.child({ dependsOn: [gate] }),
        );
        return gate;
    }

    private child(opts: pulumi.CustomResourceOptions): pulumi.CustomResourceOptions {
        // Children do not inherit it.
        return { parent: this, deletedWith: this.options.deletedWith, ...opts };
    }
}

export interface ClusterPlanArgs {
    /** A server; any will do. */
    machine: Machine;
    /** Names of the nodes that the clusters ought to have. */
    servers: string[];
    clients: string[];
    roll: RollArgs;
}

/**
 * Tells the cluster which nodes it ought to have: a node that waits for its turn wants all servers of the plan to be
 * there. It belongs after all nodes' gates: nodes that are still to come would keep the others from their turn.
 */
export function clusterPlan(
    name: string,
    args: ClusterPlanArgs,
    opts: pulumi.CustomResourceOptions,
): command.remote.Command {
    const { servers, clients } = args;
    return new command.remote.Command(
        name,
        {
            ...onMachine(args.machine),
            create: scriptCommand({
                ...rollArgument(args.machine.name, args.roll),
                plan: { servers, clients },
                timeout: 60,
            }),
            stdin: rollSecrets(args.roll).apply((tokens) =>
                pulumi.secret(scriptInput(["agents.py", "plan.py"], tokens)),
            ),
            triggers: [args.machine.instanceId],
        },
        opts,
    );
}
