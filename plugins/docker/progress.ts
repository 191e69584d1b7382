import { createInterface } from "node:readline";

interface Message {
    stream?: string;
    status?: string;
    id?: string;
    progress?: string;
    error?: string;
    errorDetail?: { message?: string };
    aux?: Record<string, unknown>;
}

/** Progress bars come ten times a second; where there is no terminal each would be a line of its own. */
const barMilliseconds = 2000;

/**
 * Reads the engine's progress messages to the end: each as a line to `show`, and what the engine reports on the side
 * (image ids, digests) to `aside`. Fails with the error that the engine puts into the stream.
 */
export async function progressOf(
    stream: NodeJS.ReadableStream,
    show: (line: string) => void,
    aside: (aux: Record<string, unknown>) => void = () => {},
): Promise<void> {
    let failure: string | undefined;
    let lastBar = 0;
    for await (const line of createInterface({ input: stream })) {
        if (line.trim() === "") {
            continue;
        }
        const message = parse(line);
        if (message.aux) {
            aside(message.aux);
        }
        failure ??= message.errorDetail?.message ?? message.error;
        if (message.progress) {
            if (Date.now() - lastBar < barMilliseconds) {
                continue;
            }
            lastBar = Date.now();
        }
        const text =
            message.stream ?? [message.id, message.status, message.progress].filter(Boolean).join(" ");
        for (const shown of text.split(/\r?\n/)) {
            if (shown.trim() !== "") {
                show(shown.trimEnd());
            }
        }
    }
    if (failure !== undefined) {
        throw new Error(failure);
    }
}

function parse(line: string): Message {
    try {
        return JSON.parse(line) as Message;
    } catch {
        return { stream: line };
    }
}

/** As an appendix of an error message. */
export function lastLines(lines: string[], count: number): string {
    return lines.length === 0 ? "" : `\nlast lines:\n${lines.slice(-count).join("\n")}`;
}
