import { any, boolean, list, map, string, type Properties } from "../lib";

/** What both commands have in common. */
export interface CommandInputs {
    create?: string;
    update?: string;
    delete?: string;
    environment?: Record<string, string>;
    stdin?: string;
    triggers?: unknown[];
    logging?: Logging;
    /** Defaults to true. */
    addPreviousOutputInEnv?: boolean;
}

export interface CommandOutputs {
    stdout: string;
    stderr: string;
}

export type Logging = "stdout" | "stderr" | "stdoutAndStderr" | "none";

export const commandInputs: Properties = {
    create: string(),
    update: string(),
    delete: string(),
    environment: map(),
    stdin: string(),
    triggers: list(any(), { replace: true }),
    logging: string({ oneOf: ["stdout", "stderr", "stdoutAndStderr", "none"] }),
    addPreviousOutputInEnv: boolean({ default: true }),
};

export const commandOutputs: Properties = { stdout: string(), stderr: string() };

/** The previous run's output, for the scripts of updates and deletions. */
export function previousOutput(
    inputs: CommandInputs,
    state: CommandOutputs | undefined,
): Record<string, string> {
    if (inputs.addPreviousOutputInEnv === false || !state) {
        return {};
    }
    return {
        ...(state.stdout && { PULUMI_COMMAND_STDOUT: state.stdout }),
        ...(state.stderr && { PULUMI_COMMAND_STDERR: state.stderr }),
    };
}
