import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";

import type { BootReport, Connection } from "./machine";

/** How long a machine may take from the first SSH handshake to running all its units, in seconds. */
const bootTimeout = 60;

/** How long a machine may keep silent before a warning says where its console is, in seconds. */
const silence = 30;

export interface BootReadinessArgs {
    machineName: string;
    connection: pulumi.Output<Connection>;
    instanceId: pulumi.Output<string>;
    /** The operator's command that shows the machine's console. */
    console: string;
}

/**
 * Resolves when the machine has booted. Fails within two minutes: with the failing unit's last lines; when SSH never
 * answers, a warning names the way to the machine's console.
 */
export function bootReadiness(
    args: BootReadinessArgs,
    opts: pulumi.CustomResourceOptions,
): pulumi.Output<BootReport> {
    const ready = new command.remote.Command(
        `${args.machineName}-ready`,
        {
            connection: sshConnection(args.connection),
            create: `gatehouse-ready ${bootTimeout}`,
            triggers: [args.instanceId],
            // Its error carries the output already.
            logging: command.remote.Logging.None,
            // sshd would refuse the variables that hand it over.
            addPreviousOutputInEnv: false,
        },
        opts,
    );
    warnWhenSilent(args, ready, opts.parent);
    return ready.stdout.apply((stdout) => JSON.parse(stdout) as BootReport);
}

/** The connection as `@pulumi/command` takes it; gives up after about 50 seconds without a handshake. */
export function sshConnection(
    connection: pulumi.Output<Connection>,
): pulumi.Output<command.types.input.remote.ConnectionArgs> {
    return connection.apply((each) => ({ ...each, dialErrorLimit: 18, perDialTimeout: 5 }));
}

/**
 * SSH errors name neither the machine nor a remedy, and a machine whose systemd hangs tells nobody: a warning among
 * the update's diagnostics does.
 */
function warnWhenSilent(
    args: BootReadinessArgs,
    ready: command.remote.Command,
    parent?: pulumi.Resource,
): void {
    args.instanceId.apply(() => {
        const warning = setTimeout(() => {
            void pulumi.log.warn(
                `Machine ${args.machineName} is not ready ${silence} s after its start. Its console: ${args.console}`,
                // The command itself has no name in the log before it has ended.
                parent,
            );
        }, silence * 1000);
        warning.unref();
        ready.stdout.apply(() => clearTimeout(warning));
    });
}
