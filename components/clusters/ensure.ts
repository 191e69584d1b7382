import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";

import type { Machine } from "../machines/machine";
import { onMachine } from "./node-script";

/** A command on a server that makes something true, as often as it runs. */
export function ensure(
    name: string,
    server: Machine,
    input: pulumi.Output<{ create: string; stdin: string }>,
    opts: pulumi.CustomResourceOptions,
): command.remote.Command {
    return new command.remote.Command(
        name,
        {
            ...onMachine(server),
            // The command holds no secret, but comes with one.
            create: pulumi.unsecret(input.create),
            stdin: pulumi.secret(input.stdin),
            triggers: [server.instanceId],
        },
        opts,
    );
}
