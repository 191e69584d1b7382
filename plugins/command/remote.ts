import { randomBytes } from "node:crypto";

import { resource, type Context } from "../lib";
import { connection, dial, type ClientChannel, type Connection } from "./connection";
import { failed, Output } from "./output";
import { commandInputs, commandOutputs, previousOutput } from "./schema";

import type { CommandInputs, CommandOutputs } from "./schema";

interface Inputs extends CommandInputs {
    connection: Connection;
}

export const remoteCommand = resource<undefined, Inputs, Inputs & CommandOutputs>({
    inputs: { ...commandInputs, connection },
    outputs: commandOutputs,
    changesWith: () => Object.keys(commandOutputs),

    async create(context, inputs) {
        const id = `${context.name}${randomBytes(4).toString("hex")}`;
        const outputs =
            inputs.create === undefined
                ? { stdout: "", stderr: "" }
                : await run(context, inputs.create, inputs, undefined);
        return { id, outputs };
    },

    async update(context, _id, state, news) {
        const command = news.update ?? news.create;
        return command === undefined ? {} : run(context, command, news, state);
    },

    async delete(context, _id, state) {
        if (state.delete !== undefined) {
            await run(context, state.delete, state, state);
        }
    },
});

async function run(
    context: Context<undefined>,
    command: string,
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
            const broken = (why: string): void => reject(failed(why, command, output));
            client.once("error", (error) => broken(`the connection broke: ${error.message}`));
            client.once("close", () =>
                broken(abortReason(signal) ?? "the connection was closed before the command ended"),
            );
            client.exec(
                command,
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
