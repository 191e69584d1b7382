import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";

export interface HttpReadyArgs {
    /** What has to answer with status 200. */
    url: string;
    /** What the answer has to contain. Default: anything. */
    text?: string;
    /** Seconds until it gives up and says what it saw last. Default 60. */
    timeout?: number;
    /** What it has to be asked for again, e.g. the ids of containers. */
    triggers: pulumi.Input<string>[];
}

/** Succeeds when something answers over HTTP on this computer. */
export function httpReady(
    name: string,
    args: HttpReadyArgs,
    opts: pulumi.CustomResourceOptions,
): command.local.Command {
    const parts = [args.url, String(args.timeout ?? 60), ...(args.text === undefined ? [] : [args.text])];
    return new command.local.Command(
        `${name}-ready`,
        {
            create: `node components/containers/files/wait-for-http.js ${parts.map((part) => `'${part}'`).join(" ")}`,
            triggers: args.triggers,
            // Its error carries the output already.
            logging: command.local.Logging.None,
            addPreviousOutputInEnv: false,
        },
        opts,
    );
}
