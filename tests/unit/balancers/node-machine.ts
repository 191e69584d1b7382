import * as assert from "node:assert/strict";

import * as pulumi from "@pulumi/pulumi";

import { machineConfig, renderUserData } from "../../../cloud-init";
import { type ConfigureReport, configureScript } from "../../../components/clusters/configure";
import type { NodeConfiguration } from "../../../components/clusters/node-files";
import { dataSource } from "../../../components/machines/docker-machine";
import { imageReference } from "../../../toolchain/images";
import { type CommandResult, output, run } from "../../support/command";
import { eventually } from "../../support/poll";
import { systemdFlags } from "../../support/systemd-machine";
import { Root } from "./node-files";

/** One machine on a network of its own, as the Docker substrate runs it; of the image `machine-routed` by default. */
export class RoutedMachine {
    readonly name = `gatehouse-test-node-${process.pid}`;
    readonly network = `10.230.${process.pid % 256}.0/24`;
    readonly address = `10.230.${process.pid % 256}.10`;
    private readonly label = `dev.gatehouse.stack=${this.name}`;

    constructor(private readonly image = "machine-routed") {}

    /** With files that are there before it boots; those of a configuration are put in place afterwards. */
    async boot(prepare: (root: Root) => void): Promise<void> {
        const flags = [...systemdFlags(), "--volume=/var/lib/docker"];
        await output("docker", [
            ...["network", "create", "--label", this.label, "--subnet", this.network, this.name],
        ]);
        await output("docker", [
            ...["create", "--name", this.name, "--hostname", "node-1", "--label", this.label, ...flags],
            ...["--network", this.name, "--ip", this.address, imageReference(this.image)],
        ]);
        await this.put((root) => {
            root.write("etc/cloud/cloud.cfg.d/90-gatehouse.cfg", dataSource);
            root.write("var/lib/cloud/seed/nocloud/meta-data", "instance-id: test\nlocal-hostname: node-1\n");
            root.write(
                "var/lib/cloud/seed/nocloud/user-data",
                renderUserData({ ...machineConfig(), preserve_hostname: true }),
            );
            // No container runs here.
            for (const unit of ["docker.service", "docker.socket", "containerd.service"]) {
                root.link(`etc/systemd/system/${unit}`, "/dev/null");
            }
            prepare(root);
        });
        await output("docker", ["start", this.name]);
        await this.booted();
    }

    /** Its cloud-init has finished, and all units of its roles run. */
    async booted(): Promise<void> {
        await eventually(
            "the document has been read",
            () => this.inside("test", "-x", "/usr/local/bin/gatehouse-ready"),
            { within: 90 },
        );
        await this.inside("gatehouse-ready", "90");
    }

    /** What a machine's configuration over SSH does, and what it says that it has done. */
    async configure(configuration: NodeConfiguration): Promise<ConfigureReport> {
        const { create, stdin } = configureScript({
            machine: { name: "node-1" },
            configuration,
            timeout: 30,
        });
        const input = await new Promise<string>((resolve) => pulumi.unsecret(stdin).apply(resolve));
        const command = ["exec", "--interactive", this.name, "sh", "-c", create];
        return JSON.parse(await output("docker", command, { input })) as ConfigureReport;
    }

    async healthy({ units }: NodeConfiguration): Promise<void> {
        for (const { name, healthy } of units) {
            await eventually(`${name} is healthy`, () =>
                this.inside(...(healthy ?? ["systemctl", "is-active", name])),
            );
        }
    }

    async put(fill: (root: Root) => void): Promise<void> {
        const root = new Root();
        try {
            fill(root);
            await output("docker", ["cp", `${root.folder}/.`, `${this.name}:/`]);
        } finally {
            root.remove();
        }
    }

    /** A command that has to succeed. */
    inside(...command: string[]): Promise<string> {
        return output("docker", ["exec", this.name, ...command]);
    }

    try(...command: string[]): Promise<CommandResult> {
        return run("docker", ["exec", this.name, ...command]);
    }

    /** What a page says, after its status: `200 a`. */
    async page(url: string, ...flags: string[]): Promise<string> {
        const { stdout } = await this.try(
            "curl",
            "--silent",
            "--max-time",
            "20",
            "--write-out",
            "\n%{http_code}",
            ...flags,
            url,
        );
        const lines = stdout.split("\n");
        return `${lines.pop()} ${lines.join("\n").trim()}`;
    }

    /** Does something while a program asks: one that makes /tmp/asked when it has begun, and ends when there is /tmp/stop. */
    async whileAsking(program: string[], action: () => Promise<unknown>): Promise<string> {
        await this.inside("rm", "-f", "/tmp/stop", "/tmp/asked");
        const said = this.inside(...program);
        try {
            await eventually("requests are made", () => this.inside("test", "-e", "/tmp/asked"));
            await action();
        } finally {
            await this.inside("touch", "/tmp/stop");
        }
        return said;
    }

    /** Does something while a page of HAProxy's is asked for again and again from the machine itself; no request may fail. */
    async losesNothing(url: string, action: () => Promise<void>): Promise<void> {
        const loop = `while [ ! -e /tmp/stop ]; do
            curl --silent --max-time 9 --output /dev/null --write-out '%{http_code}\\n' ${url}; touch /tmp/asked; done`;
        const all = (await this.whileAsking(["sh", "-c", loop], action)).trim().split("\n");
        assert.deepEqual(
            all.filter((code) => code !== "200"),
            [],
        );
        assert.ok(all.length > 30, `only ${all.length} requests`);
    }

    async restart(): Promise<void> {
        await output("docker", ["restart", this.name]);
        await this.booted();
    }

    async remove(): Promise<void> {
        await run("docker", ["rm", "--force", "--volumes", this.name]);
        await run("docker", ["network", "rm", this.name]);
    }
}
