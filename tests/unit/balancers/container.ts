import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { output, run, type CommandResult } from "../../support/command";
import { capabilities, tagOf } from "./image";

const image = tagOf("haproxy");

/** What jobs/haproxy.nomad.hcl renders beside haproxy.cfg, for Consul at an address of the test's. */
export interface Discovery {
    consul: { url: string; token?: string; serverName?: string };
    services?: { name: string; backend: string; tag?: string; datacenter?: string; near?: string }[];
    /** `hold` in seconds. */
    guard?: { minimumShare: number; hold: number };
    /** Seconds. */
    patience?: number;
}

/** The whole of the module's settings. */
export function discoverySettings(discovery: Discovery): object {
    return {
        services: [{ name: "demo-webapp", backend: "webapp" }],
        guard: { minimumShare: 0.5, hold: 60 },
        wait: 5,
        patience: 5,
        state: "/state/discovery.json",
        ...discovery,
    };
}

/** What `haproxy -c` of the lab's own image says of a configuration. */
export async function checkConfiguration(
    configuration: string,
    discovery: Discovery = { consul: { url: "http://127.0.0.1:8500" } },
): Promise<CommandResult> {
    const folder = mkdtempSync(join(tmpdir(), "gatehouse-haproxy-"));
    try {
        writeFileSync(join(folder, "haproxy.cfg"), configuration);
        writeFileSync(join(folder, "discovery.json"), JSON.stringify(discoverySettings(discovery)));
        // The state file that haproxy-run puts there before HAProxy reads the configuration.
        const script =
            "mkdir -p /run/haproxy && echo 1 > /run/haproxy/servers && exec haproxy -c -f /check/haproxy.cfg";
        const mount = [
            "--tmpfs",
            "/run/haproxy",
            ...["/check", "/secrets"].map((at) => `--volume=${folder}:${at}:ro`),
        ];
        return await run("docker", ["run", "--rm", ...mount, "--entrypoint", "/bin/sh", image, "-c", script]);
    } finally {
        rmSync(folder, { recursive: true, force: true });
    }
}

/** The lab's HAProxy as Nomad runs it: the host's network, few capabilities, a read-only file system. */
export class RunningHaproxy {
    private readonly secrets = mkdtempSync(join(tmpdir(), "gatehouse-haproxy-"));
    private readonly data = mkdtempSync(join(tmpdir(), "gatehouse-haproxy-"));

    private constructor(private readonly name: string) {
        chmodSync(this.secrets, 0o755);
        // As Nomad makes `alloc/data`.
        chmodSync(this.data, 0o777);
    }

    /** `caPem` is in /secrets/ca.pem. */
    static async start(
        configuration: string,
        discovery?: Discovery,
        caPem?: string,
    ): Promise<RunningHaproxy> {
        const haproxy = new RunningHaproxy(`gatehouse-test-haproxy-${process.pid}`);
        haproxy.write(configuration);
        if (caPem !== undefined) {
            writeFileSync(join(haproxy.secrets, "ca.pem"), caPem);
        }
        if (discovery !== undefined) {
            haproxy.tell(discovery);
        }
        await output("docker", [
            ...["run", "--detach", "--name", haproxy.name, "--network", "host", "--read-only"],
            ...["--cap-drop", "ALL", ...capabilities.flatMap((each) => ["--cap-add", each])],
            ...["--tmpfs", "/run/haproxy", "--volume", `${haproxy.secrets}:/secrets`],
            ...["--volume", `${haproxy.data}:/var/lib/haproxy/state`, image],
        ]);
        return haproxy;
    }

    /** Other settings of the discovery; for a HAProxy that reads its configuration after that. */
    tell(discovery: Discovery): void {
        writeFileSync(join(this.secrets, "discovery.json"), JSON.stringify(discoverySettings(discovery)), {
            mode: 0o600,
        });
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
        for (const folder of [this.secrets, this.data]) {
            rmSync(folder, { recursive: true, force: true });
        }
    }

    private write(configuration: string): void {
        writeFileSync(join(this.secrets, "haproxy.cfg"), configuration, { mode: 0o600 });
    }
}
