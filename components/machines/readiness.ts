import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";

import type { BootReport, Connection } from "./machine";

/** How long a machine may take from the first SSH handshake to running all its units, in seconds. */
const bootTimeout = 75;

export interface BootReadinessArgs {
    machineName: string;
    connection: pulumi.Output<Connection>;
    instanceId: pulumi.Output<string>;
    /** The operator's command that shows the machine's console. */
    console: string;
}

/**
 * Resolves when the machine has booted. Fails within two minutes: with the failing unit's last lines, or, when
 * SSH never answers, with the way to the machine's console.
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
        },
        { ...opts, hooks: { onError: [consoleHint(args)] } },
    );
    return ready.stdout.apply((stdout) => JSON.parse(stdout) as BootReport);
}

/** The connection as `@pulumi/command` takes it; gives up after about 40 seconds without a handshake. */
export function sshConnection(
    connection: pulumi.Output<Connection>,
): pulumi.Output<command.types.input.remote.ConnectionArgs> {
    return connection.apply((each) => ({ ...each, dialErrorLimit: 18, perDialTimeout: 5 }));
}

/** SSH errors do not say which machine they are about, nor where to look. */
function consoleHint(args: BootReadinessArgs): pulumi.ErrorHook {
    return new pulumi.ErrorHook(`${args.machineName}-console`, async (failure) => {
        await pulumi.log.error(
            `Machine ${args.machineName} did not become ready (${failure.errors[0] ?? "no reason given"}). ` +
                `Its console: ${args.console}`,
        );
        return false;
    });
}
