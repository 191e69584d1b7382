import { type ChildProcess, spawn } from "node:child_process";
import { openSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { UserError } from "../toolchain/errors";
import type { PrivateFolder } from "./private-folder";

/** Seconds that a throwaway server may take for what it does. */
const patience = 60;

/**
 * Starts a server on this computer's loopback that lives as long as the private folder.
 *
 * @throws UserError with its last words when it ends before it is ready
 */
export async function launch(
    tool: string,
    args: string[],
    folder: PrivateFolder,
    ready: () => Promise<unknown>,
): Promise<void> {
    const logFile = join(folder.path, `${tool}.log`);
    const log = openSync(logFile, "a", 0o600);
    const child = spawn(tool, args, { stdio: ["ignore", log, log], ...within(folder) });
    let trouble: string | undefined;
    child.once("error", (error) => (trouble = error.message));
    child.once("exit", (code) => (trouble ??= `it has ended with ${code}`));
    folder.beforeEnd(() => child.kill("SIGKILL"));
    notePid(child, tool, folder);
    await eventually(`the throwaway ${tool}`, async () => {
        if (trouble !== undefined) {
            const said = readFileSync(logFile, "utf8").trim().split("\n").slice(-10).join("\n");
            throw new UserError(
                `the throwaway ${tool} does not start: ${trouble}\n${said}`,
                `"make restore" brings ${tool} along; it has to run on this computer`,
            );
        }
        await ready();
    });
}

/** Where a program runs whose temporary files are to be gone with the folder. It gets no variables of the operator's. */
export function within({ path }: PrivateFolder) {
    return { cwd: path, env: { PATH: process.env["PATH"], HOME: path, TMPDIR: path } };
}

function notePid({ pid }: ChildProcess, tool: string, folder: PrivateFolder): void {
    if (pid !== undefined) {
        folder.write(`${tool}.pid`, String(pid));
    }
}

/** Asks until it works. @throws at the deadline what it complained about last; a UserError at once */
export async function eventually(
    what: string,
    probe: () => Promise<unknown>,
    seconds = patience,
): Promise<void> {
    const deadline = Date.now() + seconds * 1000;
    for (;;) {
        try {
            await probe();
            return;
        } catch (error) {
            if (error instanceof UserError || Date.now() > deadline) {
                throw error instanceof UserError
                    ? error
                    : new UserError(`${what} is not ready after ${seconds} s: ${(error as Error).message}`);
            }
        }
        await new Promise((resolve) => setTimeout(resolve, 200));
    }
}
