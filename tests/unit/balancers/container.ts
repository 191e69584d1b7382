import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { output, run, type CommandResult } from "../../support/command";
import { capabilities, tagOf } from "./image";

const image = tagOf("haproxy");

/** What `haproxy -c` of the lab's own image says of a configuration. */
export async function checkConfiguration(configuration: string): Promise<CommandResult> {
    const folder = mkdtempSync(join(tmpdir(), "gatehouse-haproxy-"));
    try {
        writeFileSync(join(folder, "haproxy.cfg"), configuration);
        // The state file that haproxy-run puts there before HAProxy reads the configuration.
        const script =
            "mkdir -p /run/haproxy && echo 1 > /run/haproxy/servers && exec haproxy -c -f /check/haproxy.cfg";
        const mount = ["--tmpfs", "/run/haproxy", "--volume", `${folder}:/check:ro`];
        return await run("docker", ["run", "--rm", ...mount, "--entrypoint", "/bin/sh", image, "-c", script]);
    } finally {
        rmSync(folder, { recursive: true, force: true });
    }
}

/** The lab's HAProxy as Nomad runs it: the host's network, few capabilities, a read-only file system. */
export class RunningHaproxy {
    private readonly secrets = mkdtempSync(join(tmpdir(), "gatehouse-haproxy-"));

    private constructor(private readonly name: string) {
        chmodSync(this.secrets, 0o755);
    }

    static async start(configuration: string): Promise<RunningHaproxy> {
        const haproxy = new RunningHaproxy(`gatehouse-test-haproxy-${process.pid}`);
        haproxy.write(configuration);
        await output("docker", [
            ...["run", "--detach", "--name", haproxy.name, "--network", "host", "--read-only"],
            ...["--cap-drop", "ALL", ...capabilities.flatMap((each) => ["--cap-add", each])],
            ...["--tmpfs", "/run/haproxy", "--volume", `${haproxy.secrets}:/secrets`, image],
        ]);
        return haproxy;
    }

    /** What Nomad does when a template has changed: render, then run the change script. */
    reload(configuration: string): Promise<CommandResult> {
        this.write(configuration);
        return run("docker", ["exec", this.name, "/usr/local/bin/haproxy-reload", "/secrets/haproxy.cfg"]);
    }

    /** What Nomad does when the task has died. */
    async restart(): Promise<void> {
        await output("docker", ["kill", this.name]);
        await output("docker", ["start", this.name]);
    }

    /** Soft stop. Returns the exit code. */
    async stop(): Promise<number> {
        await output("docker", ["kill", "--signal", "USR1", this.name]);
        return Number(await output("docker", ["wait", this.name]));
    }

    async log(): Promise<string> {
        return (await run("docker", ["logs", this.name])).output;
    }

    async remove(): Promise<void> {
        await run("docker", ["rm", "--force", this.name]);
        rmSync(this.secrets, { recursive: true, force: true });
    }

    private write(configuration: string): void {
        writeFileSync(join(this.secrets, "haproxy.cfg"), configuration, { mode: 0o600 });
    }
}
