import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";

import type { Machine } from "../machines/machine";
import { sshConnection } from "../machines/readiness";
import { scriptCommand, scriptSources } from "./node-script";

/** How long a cluster may take to form once its machines are up, in seconds. */
const formationTimeout = 60;

export interface ClusterReadinessArgs {
    /** The script of `files/` that knows what is complete. */
    script: "consul-ready.py" | "nomad-ready.py";
    /** The agent's API as it is reached on the machine itself. */
    api: string;
    /** The machines whose agents are servers; the first is asked. */
    servers: readonly Machine[];
    /** The machines whose agents are clients. */
    clients: readonly Machine[];
    /** Secret: environment variables of the script, such as the agent's token. Default: none. */
    environment?: pulumi.Input<Record<string, string>>;
    /** What has to be done before, e.g. that the agents are configured. */
    after?: pulumi.Input<unknown>[];
}

/**
 * A command on the first server that succeeds when the whole cluster is there, and says what is missing when it
 * gives up. It runs again when a machine is replaced, added or removed.
 */
export function clusterReadiness(
    name: string,
    args: ClusterReadinessArgs,
    opts: pulumi.CustomResourceOptions,
): command.remote.Command {
    const [asked] = args.servers;
    if (asked === undefined) {
        throw new pulumi.InputPropertyError({
            propertyPath: "servers",
            reason: `${name} needs at least one server`,
        });
    }
    const machines = [...new Set([...args.servers, ...args.clients])];
    const script = readinessCommand(args.script, {
        api: args.api,
        servers: args.servers.map((machine) => machine.name),
        clients: args.clients.map((machine) => machine.name),
        timeout: formationTimeout,
    });
    return new command.remote.Command(
        `${name}-ready`,
        {
            connection: sshConnection(asked.connection),
            create: script.create,
            stdin: pulumi
                .all([script.stdin, args.environment ?? {}])
                .apply(([source, environment]) => withEnvironment(environment, source)),
            // Its error carries the output already.
            logging: command.remote.Logging.None,
            // sshd would refuse the variables that hand it over.
            addPreviousOutputInEnv: false,
            triggers: [
                ...machines.map((machine) => machine.instanceId),
                // Not a reason to run again, but to wait: a machine that fails to boot reports that itself.
                pulumi
                    .all([...machines.map((machine) => machine.ready), ...(args.after ?? [])])
                    .apply(() => "ready"),
            ],
        },
        opts,
    );
}

/** The script as a command and its input, so that an error shows the command alone. Pure. */
export function readinessCommand(
    script: ClusterReadinessArgs["script"],
    parameters: { api: string; servers: string[]; clients: string[]; timeout: number },
): { create: string; stdin: string } {
    return {
        create: scriptCommand(parameters),
        stdin: scriptSources(["poll.py", script]).join("\n\n"),
    };
}

/** The script with variables in its environment: sshd takes none, and a command line can be read by everybody. Pure. */
export function withEnvironment(environment: Record<string, string>, source: string): string {
    return Object.keys(environment).length === 0
        ? source
        : // A JSON text in a JSON string is a string literal of Python's, too.
          `import json, os\nos.environ.update(json.loads(${JSON.stringify(JSON.stringify(environment))}))\n\n${source}`;
}
