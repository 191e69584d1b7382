import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";

import { ending, run, tail } from "../tests/support/command";
import { project } from "../toolchain/stackfile";
import type { Machines, MachineState } from "./machines";

const stackLabel = "dev.gatehouse.stack";

/** Machines that are containers of this computer's engine. */
export class DockerMachines implements Machines {
    constructor(private readonly stack: string) {}

    async state(name: string): Promise<MachineState> {
        const format = `{{index .Config.Labels "${stackLabel}"}} {{.State.Status}}`;
        const text = await this.docker(["inspect", "--format", format, this.container(name)]);
        const [stack, status] = text.trim().split(" ");
        if (stack !== this.stack) {
            throw new Error(`the container ${this.container(name)} is not the stack's: it has another label`);
        }
        return status === "running" || status === "paused" ? status : "stopped";
    }

    async kill(name: string): Promise<void> {
        await this.docker(["kill", this.container(name)]);
    }

    async shutDown(name: string): Promise<void> {
        await this.docker(["stop", this.container(name)]);
    }

    async start(name: string): Promise<void> {
        await this.docker(["start", this.container(name)]);
    }

    async pause(name: string): Promise<void> {
        await this.docker(["pause", this.container(name)]);
    }

    async resume(name: string): Promise<void> {
        await this.docker(["unpause", this.container(name)]);
    }

    run(name: string, script: string, ...args: string[]): Promise<string> {
        return this.docker(
            ["exec", "--interactive", this.container(name), "bash", "-s", "--", ...args],
            script,
        );
    }

    converse(name: string, program: string, ...args: string[]): ChildProcessWithoutNullStreams {
        // In a process group of its own: Ctrl-C is for the drill, which has things to put back first.
        return spawn("docker", ["exec", "--interactive", this.container(name), program, ...args], {
            detached: true,
        });
    }

    private container(name: string): string {
        return `${project}-${this.stack}-${name}`;
    }

    private async docker(args: string[], input?: string): Promise<string> {
        const result = await run("docker", args, { input, timeout: 120 });
        if (result.code !== 0) {
            throw new Error(`docker ${args.join(" ")} ended with ${ending(result)}:\n${tail(result.output)}`);
        }
        return result.stdout;
    }
}
