import type { ResourceLog } from "../lib";
import type { CommandOutputs, Logging } from "./schema";

/** Collects what a command writes, and shows it in the engine's log line by line as it comes. */
export class Output {
    private readonly streams: Record<"stdout" | "stderr", Buffer[]> = { stdout: [], stderr: [] };
    private readonly both: Buffer[] = [];
    private readonly partial = { stdout: "", stderr: "" };

    constructor(
        private readonly log: ResourceLog,
        private readonly logging: Logging = "stdoutAndStderr",
    ) {}

    add(stream: "stdout" | "stderr", chunk: Buffer): void {
        this.streams[stream].push(chunk);
        this.both.push(chunk);
        if (this.logging !== stream && this.logging !== "stdoutAndStderr") {
            return;
        }
        const lines = (this.partial[stream] + chunk.toString("utf8")).split("\n");
        this.partial[stream] = lines.pop() ?? "";
        lines.forEach((line) => this.show(line));
    }

    /** To be called when the command has ended. */
    end(): void {
        this.show(this.partial.stdout);
        this.show(this.partial.stderr);
    }

    /** As the resource's outputs: without the last line's end, as a shell's `$(…)` has it. */
    result(): CommandOutputs {
        const text = (chunks: Buffer[]): string => Buffer.concat(chunks).toString("utf8").replace(/\n$/, "");
        return { stdout: text(this.streams.stdout), stderr: text(this.streams.stderr) };
    }

    /** Both streams in the order of arrival, for error messages. */
    combined(): string {
        return Buffer.concat(this.both).toString("utf8");
    }

    private show(line: string): void {
        if (line !== "") {
            this.log.info(line.replace(/\r$/, ""));
        }
    }
}

/** The failure of a command, in the words of the official plugin. */
export function failed(how: string, command: string, output: Output): Error {
    return new Error(`${how}: running ${JSON.stringify(command)}:\n${output.combined()}`);
}
