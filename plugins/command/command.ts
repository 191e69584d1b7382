import { randomBytes } from "node:crypto";

import { resource, type Context, type Properties, type ResourceDefinition } from "../lib";
import { commandInputs, commandOutputs } from "./schema";

import type { CommandInputs, CommandOutputs } from "./schema";

/** Runs one script; `state` is the resource as its last run left it. */
export type Run<Inputs> = (
    context: Context<undefined>,
    script: string,
    inputs: Inputs,
    state: CommandOutputs | undefined,
) => Promise<CommandOutputs>;

/** A resource that runs a script when it is created, changed and deleted, wherever `run` runs it. */
export function command<Inputs extends CommandInputs>(
    inputs: Properties,
    run: Run<Inputs>,
): ResourceDefinition<undefined> {
    return resource<undefined, Inputs, Inputs & CommandOutputs>({
        inputs: { ...commandInputs, ...inputs },
        outputs: commandOutputs,
        changesWith: () => Object.keys(commandOutputs),

        async create(context, news) {
            const id = `${context.name}${randomBytes(4).toString("hex")}`;
            const outputs =
                news.create === undefined
                    ? { stdout: "", stderr: "" }
                    : await run(context, news.create, news, undefined);
            return { id, outputs: outputs as Inputs & CommandOutputs };
        },

        async update(context, _id, state, news) {
            const script = news.update ?? news.create;
            const outputs = script === undefined ? {} : await run(context, script, news, state);
            return outputs as Partial<Inputs & CommandOutputs>;
        },

        async delete(context, _id, state) {
            if (state.delete !== undefined) {
                await run(context, state.delete, state, state);
            }
        },
    });
}
