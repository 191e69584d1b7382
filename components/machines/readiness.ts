import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";

import type { BootReport, Connection } from "./machine";

/** How long a machine that boots an image of its own takes at most: see {@link BootReadinessArgs.bootTimeout}. */
const defaultBootTimeout = 60;

export interface BootReadinessArgs {
    machineName: string;
    connection: pulumi.Output<Connection>;
    instanceId: pulumi.Output<string>;
    /** The operator's command that shows the machine's console, or where that is. */
    console: string;
    /**
     * How long the machine may take from the first SSH handshake to running all its units, in seconds; after half of it a
     * warning says where the console is. About as long it may take to that handshake. Default: 60.
     */
    bootTimeout?: number;
}

/**
 * Resolves when the machine has booted. Fails within twice the time that it may take: with the failing unit's last lines;
 * when SSH never answers, a warning names the way to the machine's console.
 */
export function bootReadiness(
    args: BootReadinessArgs,
    opts: pulumi.CustomResourceOptions,
): { report: pulumi.Output<BootReport>; command: pulumi.Resource } {
    const { bootTimeout = defaultBootTimeout } = args;
    const ready = new command.remote.Command(
        `${args.machineName}-ready`,
        {
            connection: sshConnection(args.connection, bootTimeout),
            create: `gatehouse-ready ${bootTimeout}`,
            triggers: [args.instanceId],
            // Its error carries the output already.
            logging: command.remote.Logging.None,
            // sshd would refuse the variables that hand it over.
            addPreviousOutputInEnv: false,
        },
        opts,
    );
    warnWhenSilent({ ...args, silence: bootTimeout / 2 }, ready, opts.parent);
    return { report: ready.stdout.apply((stdout) => JSON.parse(stdout) as BootReport), command: ready };
}

/**
 * The connection as `@pulumi/command` takes it; gives up without a handshake after about the given seconds, unless a
 * minute is too long. From its tenth attempt on it makes one every five seconds.
 */
export function sshConnection(
    connection: pulumi.Output<Connection>,
    patience = defaultBootTimeout,
): pulumi.Output<command.types.input.remote.ConnectionArgs> {
    const dialErrorLimit = 18 + Math.max(0, Math.ceil((patience - defaultBootTimeout) / 5));
    return connection.apply((each) => ({ ...each, dialErrorLimit, perDialTimeout: 5 }));
}

/**
 * SSH errors name neither the machine nor a remedy, and a machine whose systemd hangs tells nobody: a warning among
 * the update's diagnostics does.
 */
function warnWhenSilent(
    args: BootReadinessArgs & { silence: number },
    ready: command.remote.Command,
    parent?: pulumi.Resource,
): void {
    args.instanceId.apply(() => {
        const warning = setTimeout(() => {
            void pulumi.log.warn(
                `Machine ${args.machineName} is not ready ${args.silence} s after its start. Its console: ${args.console}`,
                // The command itself has no name in the log before it has ended.
                parent,
            );
        }, args.silence * 1000);
        warning.unref();
        ready.stdout.apply(() => clearTimeout(warning));
    });
}
