import { ending, root, start, tail, type RunningCommand } from "../tests/support/command";

let running: RunningCommand | undefined;

/** `make up`, with an end that has to be good. */
export async function up(stack: string): Promise<void> {
    running = start("node", ["toolchain/cli.js", "up", stack], { cwd: root, timeout: 900 });
    try {
        const result = await running.done;
        if (result.code !== 0) {
            throw new Error(`make up STACK=${stack} ended with ${ending(result)}:\n${tail(result.output)}`);
        }
    } finally {
        running = undefined;
    }
}

/** Interrupts an `up` that is under way, as Ctrl-C does, and waits for its end: Pulumi finishes what it has begun. */
export async function interruptUp(): Promise<void> {
    const under = running;
    under?.signal("SIGINT");
    await under?.done;
}
