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
    turnFiles,
    withEndpoints,
} from "./node-script";

export interface RollingNodeArgs {
    /** Its resource has to be deleted before it is replaced. */
    machine: Machine;
    /** A change is put in place one node at a time; it replaces nothing. */
    configuration: pulumi.Input<NodeConfiguration>;
    roll: RollArgs;
    /**
     * What has to be there before the node is configured: nothing that waits for another node's machine or commands, for
     * that one may be waiting for the turn that this one has. Default: nothing.
     */
    after?: pulumi.Input<pulumi.Resource>[];
    /**
     * The units of the cluster's agents, in the order in which they stop when the node leaves for good.
     * Default: `nomad.service` and `consul.service`; of a member of etcd `etcd.service`, of its clients none.
     */
    units?: string[];
    /**
     * Units that take requests from elsewhere. They end softly before the machine goes, so that callers find a closed
     * port and ask another machine, and no request breaks off. Default: none.
     */
    frontends?: string[];
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
 * | the machine is replaced | the end of `turn`, on the old machine: it waits for the cluster's turn, drains a client, hands leadership over, closes its frontends. Then the machine, `configure`, and `gate`, which gives the turn back. The only server refuses: its data would go. An `expendable` node is not asked |
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
    /** Opens when the node is a healthy member. It waits by itself until the clusters know its token. */
    readonly gate: command.remote.Command;

    constructor(name: string, args: RollingNodeArgs, options: pulumi.ComponentResourceOptions = {}) {
        super("gatehouse:clusters:RollingNode", name, {}, options);
        const { machine, roll, units = agentUnits(args.roll), frontends = [] } = args;
        const script = (more: object = {}): pulumi.Input<string> => turnCommand(machine.name, roll, more);
        const stdin = (file: string): pulumi.Output<string> =>
            rollSecrets(roll).apply((tokens) =>
                pulumi.secret(scriptInput([...turnFiles(roll), file], tokens)),
            );
        // Children do not inherit it.
        const child = (opts: pulumi.CustomResourceOptions): pulumi.CustomResourceOptions => ({
            parent: this,
            deletedWith: options.deletedWith,
            ...opts,
        });
        const turn = new command.remote.Command(
            `${name}-turn`,
            {
                ...onMachine(machine),
                // It only has an end. Its inputs may change meanwhile, tokens for instance.
                update: "true",
                delete: roll.expendable ? undefined : script({ frontends }),
                stdin: stdin("let-go.py"),
                triggers: [machine.instanceId],
            },
            child({ deleteBeforeReplace: true }),
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
            child({ dependsOn: [turn, ...(args.after ?? [])] }),
        );
        this.gate = new command.remote.Command(
            `${name}-gate`,
            {
                ...onMachine(machine),
                create: script(),
                stdin: stdin("gate.py"),
                triggers: [machine.instanceId],
            },
            child({ dependsOn: [this.configured] }),
        );
        new command.remote.Command(
            `${name}-presence`,
            {
                ...onMachine(machine),
                create: script({ do: "return", units, frontends }),
                delete: script({ do: "leave", units, frontends }),
                stdin: stdin("presence.py"),
            },
            child({ dependsOn: [this.gate] }),
        );
        this.registerOutputs();
    }
}

/** The command of a script that takes turns. */
function turnCommand(node: string, roll: RollArgs, more: object): pulumi.Input<string> {
    return withEndpoints(roll, (endpoints) =>
        scriptCommand({ ...rollArgument(node, roll, endpoints), ...more }),
    );
}

/** The units of the clusters' agents, in the order in which they stop. */
function agentUnits({ etcd, role }: RollArgs): string[] {
    return etcd ? (role === "server" ? ["etcd.service"] : []) : ["nomad.service", "consul.service"];
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
    const { servers, clients, roll } = args;
    return new command.remote.Command(
        name,
        {
            ...onMachine(args.machine),
            create: turnCommand(args.machine.name, roll, { plan: { servers, clients }, timeout: 60 }),
            stdin: rollSecrets(roll).apply((tokens) =>
                pulumi.secret(scriptInput([...turnFiles(roll), "plan.py"], tokens)),
            ),
            triggers: [args.machine.instanceId],
        },
        opts,
    );
}
