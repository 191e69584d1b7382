import { spawn } from "node:child_process";

import { list, string, type Context } from "../lib";
import { command } from "./command";
import { failed, Output } from "./output";
import { previousOutput } from "./schema";

import type { CommandInputs, CommandOutputs } from "./schema";

interface Inputs extends CommandInputs {
    interpreter?: string[];
    dir?: string;
}

/** How long a cancelled command may take to stop after SIGTERM before SIGKILL. */
const graceMilliseconds = 5000;

export const localCommand = command<Inputs>({ interpreter: list(), dir: string() }, run);

function run(
    context: Context<undefined>,
    script: string,
    inputs: Inputs,
    state: CommandOutputs | undefined,
): Promise<CommandOutputs> {
    const [program = "/bin/sh", ...args] = interpreterOf(inputs);
    const output = new Output(context.log, inputs.logging);
    return new Promise((resolve, reject) => {
        context.signal.throwIfAborted();
        const child = spawn(program, [...args, script], {
            cwd: inputs.dir,
            env: { ...process.env, ...inputs.environment, ...previousOutput(inputs, state) },
            // A group of its own, so that a cancellation reaches what the command has started.
            detached: process.platform !== "win32",
        });
        const stop = stopper(child.pid);
        context.signal.addEventListener("abort", stop, { once: true });
        child.stdout.on("data", (chunk: Buffer) => output.add("stdout", chunk));
        child.stderr.on("data", (chunk: Buffer) => output.add("stderr", chunk));
        // A command that does not read its input is not at fault.
        child.stdin.on("error", () => {});
        child.stdin.end(inputs.stdin ?? "");
        child.on("error", (error: NodeJS.ErrnoException) => {
            context.signal.removeEventListener("abort", stop);
            const missing = error.code === "ENOENT" && inputs.dir !== undefined;
            const hint = missing ? ` (does the directory dir=${inputs.dir} exist?)` : "";
            reject(failed(`${error.message}${hint}`, script, output));
        });
        child.on("close", (code, signal) => {
            context.signal.removeEventListener("abort", stop);
            output.end();
            if (context.signal.aborted) {
                reject(failed((context.signal.reason as Error).message, script, output));
            } else if (code === 0) {
                resolve(output.result());
            } else {
                reject(failed(signal ? `signal: ${signal}` : `exit status ${code}`, script, output));
            }
        });
    });
}

function interpreterOf({ interpreter }: Inputs): string[] {
    if (interpreter && interpreter.length > 0) {
        return interpreter;
    }
    return process.platform === "win32" ? ["cmd", "/C"] : ["/bin/sh", "-c"];
}

function stopper(pid: number | undefined): () => void {
    const send = (signal: NodeJS.Signals): void => {
        try {
            process.kill(process.platform === "win32" ? pid! : -pid!, signal);
        } catch {
            // It has ended by itself.
        }
    };
    return () => {
        if (pid !== undefined) {
            send("SIGTERM");
            setTimeout(() => send("SIGKILL"), graceMilliseconds).unref();
        }
    };
}
