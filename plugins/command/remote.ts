import type { Context } from "../lib";
import { command } from "./command";
import { connection, dial, type ClientChannel, type Connection } from "./connection";
import { failed, Output } from "./output";
import { previousOutput } from "./schema";

import type { CommandInputs, CommandOutputs } from "./schema";

interface Inputs extends CommandInputs {
    connection: Connection;
}

export const remoteCommand = command<Inputs>({ connection }, run);

async function run(
    context: Context<undefined>,
    script: string,
    inputs: Inputs,
    state: CommandOutputs | undefined,
): Promise<CommandOutputs> {
    const { signal, log } = context;
    const client = await dial(inputs.connection, signal, log);
    const output = new Output(log, inputs.logging);
    const abort = (): void => {
        client.destroy();
    };
    signal.addEventListener("abort", abort, { once: true });
    try {
        return await new Promise<CommandOutputs>((resolve, reject) => {
            const broken = (why: string): void => reject(failed(why, script, output));
            client.once("error", (error) => broken(`the connection broke: ${error.message}`));
            client.once("close", () =>
                broken(abortReason(signal) ?? "the connection was closed before the command ended"),
            );
            client.exec(
                script,
                // The server takes what its AcceptEnv lists and ignores the rest, as with the official plugin.
                { env: { ...inputs.environment, ...previousOutput(inputs, state) } },
                (error, channel) => {
                    if (error) {
                        broken(error.message);
                    } else {
                        follow(channel, inputs.stdin, output, (how) =>
                            how === undefined ? resolve(output.result()) : broken(how),
                        );
                    }
                },
            );
        });
    } finally {
        signal.removeEventListener("abort", abort);
        client.end();
    }
}

/** Reads the command's output and says how it ended: `undefined` for success. */
function follow(
    channel: ClientChannel,
    stdin: string | undefined,
    output: Output,
    ended: (how: string | undefined) => void,
): void {
    let how: string | undefined = "the connection was closed before the command ended";
    channel.on("data", (chunk: Buffer) => output.add("stdout", chunk));
    channel.stderr.on("data", (chunk: Buffer) => output.add("stderr", chunk));
    channel.on("exit", (code: number | null, signal?: string) => {
        how =
            code === 0
                ? undefined
                : code === null
                  ? `Process exited from signal ${signal}`
                  : `Process exited with status ${code}`;
    });
    channel.on("close", () => {
        output.end();
        ended(how);
    });
    channel.end(stdin ?? "");
}

function abortReason(signal: AbortSignal): string | undefined {
    return signal.aborted ? (signal.reason as Error).message : undefined;
}
