import type { ProviderDefinition } from "../lib";
import { localCommand } from "./local";
import { remoteCommand } from "./remote";

/** Stands in for the official command provider. */
export const commandProvider: ProviderDefinition<undefined> = {
    name: "command",
    version: "1.2.1",
    config: {},
    configure: () => undefined,
    resources: {
        "command:local:Command": localCommand,
        "command:remote:Command": remoteCommand,
    },
};
