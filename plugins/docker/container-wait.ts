import type Docker from "dockerode";

import { pause, type Context } from "../lib";
import { call, type Engine } from "./client";

/** How many of its last log lines a container's failure shows. */
const shownLines = 20;

/** Long enough for a program that cannot start to have said so; the official plugin also looks once, after 100 ms. */
const settleMilliseconds = 200;

/** Fails with the container's last words when it has exited at once, or is being restarted over and over. */
export async function assertRunning(context: Context<Engine>, container: Docker.Container): Promise<void> {
    await pause(settleMilliseconds, context.signal);
    const { State, RestartCount, Config } = await inspect(context, container);
    if (State.Running && !State.Restarting && RestartCount === 0) {
        return;
    }
    const ended = State.OOMKilled
        ? "was killed for lack of memory"
        : `exited at once with code ${State.ExitCode}`;
    throw new Error(
        `the container ${ended} (image ${Config.Image}${State.Error ? `; ${State.Error}` : ""})` +
            (await lastWords(container)),
    );
}

/** Waits until the health check passes. The error has the check's output and the container's last log lines. */
export async function waitHealthy(
    context: Context<Engine>,
    container: Docker.Container,
    timeoutSeconds: number,
): Promise<void> {
    const deadline = Date.now() + timeoutSeconds * 1000;
    for (;;) {
        const { State } = await inspect(context, container);
        if (!State.Health) {
            throw new Error(
                "wait is set, but the container has no health check: set healthcheck, or HEALTHCHECK in its image",
            );
        }
        if (State.Health.Status === "healthy") {
            return;
        }
        const checks = State.Health.Log ?? [];
        if (!State.Running || Date.now() > deadline) {
            const what = State.Running
                ? `is not healthy after ${timeoutSeconds} s (waitTimeout)`
                : `has exited with code ${State.ExitCode} before it was healthy`;
            throw new Error(`the container ${what}${checkOutput(checks)}${await lastWords(container)}`);
        }
        context.log.status(`waiting to be healthy (${State.Health.Status})`);
        await pause(250, context.signal);
    }
}

function checkOutput(checks: { ExitCode: number; Output: string }[]): string {
    const last = checks[checks.length - 1];
    return last ? `\nhealth check (exit code ${last.ExitCode}): ${last.Output.trim() || "(no output)"}` : "";
}

async function lastWords(container: Docker.Container): Promise<string> {
    const log = await readLog(container, shownLines).catch(
        (error: Error) => `(unreadable: ${error.message})`,
    );
    return log.trim() === "" ? "\nIt has logged nothing." : `\nlast log lines:\n${log.trimEnd()}`;
}

/** Both streams of the container's log, in order; all lines without `tail`. */
export async function readLog(container: Docker.Container, tail?: number): Promise<string> {
    const raw = await container.logs({ stdout: true, stderr: true, ...(tail !== undefined && { tail }) });
    const { Config } = await container.inspect();
    return Config.Tty ? raw.toString("utf8") : demultiplex(raw);
}

/** Without a terminal the engine frames each piece: one byte stream, three bytes nothing, four bytes length. */
export function demultiplex(raw: Buffer): string {
    const pieces: Buffer[] = [];
    for (let offset = 0; offset + 8 <= raw.length;) {
        const end = offset + 8 + raw.readUInt32BE(offset + 4);
        pieces.push(raw.subarray(offset + 8, end));
        offset = end;
    }
    return Buffer.concat(pieces).toString("utf8");
}

export function inspect(
    { client, signal, name }: Context<Engine>,
    container: Docker.Container,
): Promise<Docker.ContainerInspectInfo> {
    return call(
        client,
        `reading the container ${name}`,
        () => container.inspect({ abortSignal: signal }),
        [404],
    );
}
