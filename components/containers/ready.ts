import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";

export interface HttpReadyArgs {
    /** What has to answer with status 200. */
    url: pulumi.Input<string>;
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
    const { url, timeout = 60, text } = args;
    const create = pulumi
        .output(url)
        .apply((known) => waiting([known, String(timeout), ...(text === undefined ? [] : [text])]));
    return new command.local.Command(
        `${name}-ready`,
        {
            create,
            triggers: args.triggers,
            // Its error carries the output already.
            logging: command.local.Logging.None,
            addPreviousOutputInEnv: false,
        },
        opts,
    );
}

function waiting(parts: string[]): string {
    return `node components/containers/files/wait-for-http.js ${parts.map((part) => `'${part}'`).join(" ")}`;
}
