import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import * as pulumi from "@pulumi/pulumi";

import { machineConfig, renderUserData } from "../../../cloud-init";
import { configureScript } from "../../../components/clusters/configure";
import type { NodeConfiguration } from "../../../components/clusters/node-files";
import {
    rollArgument,
    type RollArgs,
    scriptCommand,
    scriptInput,
    turnFiles,
} from "../../../components/clusters/node-script";
import { dataSource } from "../../../components/machines/docker-machine";
import { run, start, type CommandResult, type RunningCommand } from "../../support/command";
import { docker, inside } from "../../support/docker";
import { eventually } from "../../support/poll";
import { systemdFlags } from "../../support/systemd-machine";
import { imageReference } from "../../../toolchain/images";

/** A real machine, as the Docker substrate boots it, that has no role yet. */
export class ApplyMachine {
    private constructor(readonly name: string) {}

    static async boot(name: string): Promise<ApplyMachine> {
        const machine = new ApplyMachine(name);
        try {
            await machine.boot();
            await eventually("the machine has booted", () => inside(name, "gatehouse-ready", "30"), {
                within: 90,
            });
        } catch (error) {
            await machine.remove();
            throw error;
        }
        return machine;
    }

    async remove(): Promise<void> {
        await run("docker", ["rm", "--force", "--volumes", this.name]);
    }

    inside(...command: string[]): Promise<string> {
        return inside(this.name, ...command);
    }

    async read(path: string): Promise<string> {
        return this.inside("cat", path);
    }

    async pid(unit: string): Promise<number> {
        return Number(await this.inside("systemctl", "show", "--property=MainPID", "--value", unit));
    }

    /** What the resource does over SSH. */
    async apply(
        configuration: NodeConfiguration,
        roll?: RollArgs,
        endpoints?: string[],
    ): Promise<CommandResult> {
        return (await this.begin(configuration, roll, endpoints)).done;
    }

    async begin(
        configuration: NodeConfiguration,
        roll?: RollArgs,
        endpoints?: string[],
    ): Promise<RunningCommand> {
        const { create, stdin } = configureScript(
            { machine: { name: "server-1" }, configuration, roll, timeout: 20 },
            endpoints,
        );
        const input = await new Promise<string>((resolve) => pulumi.unsecret(stdin).apply(resolve));
        return start("docker", ["exec", "--interactive", this.name, "sh", "-c", create], { input });
    }

    /** The node's membership: its begin ("return") or its end. */
    async presence(
        what: "return" | "leave",
        roll: RollArgs,
        units: string[],
        endpoints?: string[],
    ): Promise<CommandResult> {
        return this.script("presence.py", roll, { do: what, units }, endpoints);
    }

    /** One of the node's scripts. `more`: what it is told besides. */
    async script(
        file: string,
        roll: RollArgs,
        more: object = {},
        endpoints?: string[],
    ): Promise<CommandResult> {
        const command = scriptCommand({ ...rollArgument("server-1", roll, endpoints), ...more });
        const input = scriptInput([...turnFiles(roll), file], {});
        return run("docker", ["exec", "--interactive", this.name, "sh", "-c", command], { input });
    }

    private async boot(): Promise<void> {
        const flags = [...systemdFlags(), "--network=none"];
        const seed = mkdtempSync(join(tmpdir(), "gatehouse-seed-"));
        try {
            for (const [path, content] of Object.entries({
                "etc/cloud/cloud.cfg.d/90-gatehouse.cfg": dataSource,
                "var/lib/cloud/seed/nocloud/meta-data": "instance-id: test\nlocal-hostname: server-1\n",
                "var/lib/cloud/seed/nocloud/user-data": renderUserData({
                    ...machineConfig(),
                    preserve_hostname: true,
                }),
            })) {
                mkdirSync(dirname(join(seed, path)), { recursive: true });
                writeFileSync(join(seed, path), content);
            }
            const image = imageReference("machine-nomad");
            await docker("create", "--name", this.name, "--hostname", "server-1", ...flags, image);
            await docker("cp", `${seed}/.`, `${this.name}:/`);
            await docker("start", this.name);
        } finally {
            rmSync(seed, { recursive: true, force: true });
        }
    }
}
