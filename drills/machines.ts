import type { ChildProcessWithoutNullStreams } from "node:child_process";

export type MachineState = "running" | "paused" | "stopped";

/**
 * What a drill does to machines. Whoever runs machines somewhere else implements this; nothing else of the drills knows
 * what a machine is made of. All names are those of the stack's output `machines`.
 */
export interface Machines {
    /** @throws when there is no such machine */
    state(name: string): Promise<MachineState>;
    /** Cuts the power: nothing on the machine gets to say goodbye. It stays off. */
    kill(name: string): Promise<void>;
    /** Shuts the machine down as a reboot does. It stays off. */
    shutDown(name: string): Promise<void>;
    /** Switches it on; resolves when it boots, not when it has booted. */
    start(name: string): Promise<void>;
    /** The machine stands still, and does not know it. */
    pause(name: string): Promise<void>;
    resume(name: string): Promise<void>;
    /** Runs a shell script there as root, which has to succeed. What it prints is the result. */
    run(name: string, script: string, ...args: string[]): Promise<string>;
    /** Starts a program there as root, to talk to over its standard input and output. */
    converse(name: string, program: string, ...args: string[]): ChildProcessWithoutNullStreams;
}
