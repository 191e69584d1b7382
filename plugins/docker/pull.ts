import type Docker from "dockerode";

import { orAborted, type Context } from "../lib";
import { explain, ifFound, type Engine } from "./client";
import { lastLines, progressOf } from "./progress";

/** Makes sure that the engine has the image, pulling it if it has to. The error names the reference. */
export async function ensureImage(context: Context<Engine>, reference: string): Promise<void> {
    const { client, signal, log } = context;
    const docker = await client.api();
    const present = await ifFound(client, `looking for the image ${reference}`, () =>
        docker.getImage(reference).inspect(),
    );
    if (present) {
        return;
    }
    if (/^sha256:[0-9a-f]+$/.test(reference)) {
        throw new Error(
            `image: the Docker engine has no image with the id ${reference}; was it removed? Build it again`,
        );
    }
    log.status(`pulling ${reference}`);
    try {
        await pull(context, docker, reference);
    } catch (error) {
        signal.throwIfAborted();
        throw new Error(
            `image: there is no image ${reference}: the Docker engine does not have it, and pulling it failed: ` +
                `${explain(error, client.host)}. Check the reference, or build or load the image first`,
            { cause: error },
        );
    }
}

async function pull(context: Context<Engine>, docker: Docker, reference: string): Promise<void> {
    // Without a tag the engine would pull every tag there is.
    const tagged = /[:@][^/]*$/.test(reference) ? reference : `${reference}:latest`;
    const stream = await docker.pull(tagged, { abortSignal: context.signal });
    const lines: string[] = [];
    await orAborted(
        progressOf(stream, (line) => {
            lines.push(line);
            context.log.status(line);
        }),
        context.signal,
    ).catch((error: Error) => {
        throw new Error(`${error.message}${lastLines(lines, 5)}`, { cause: error });
    });
}
