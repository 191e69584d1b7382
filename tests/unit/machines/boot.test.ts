import * as assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { type CloudConfig, dockerRole, machineConfig, renderUserData, unit } from "../../../cloud-init";
import { consulNode } from "../../../components/clusters/consul";
import { nomadNode } from "../../../components/clusters/nomad";
import { readinessCommand } from "../../../components/clusters/readiness";
import { dataSource, systemdInContainer } from "../../../components/machines/docker-machine";
import { run } from "../../support/command";
import { docker } from "../../support/docker";
import { eventually } from "../../support/poll";

// eslint-disable-next-line @typescript-eslint/no-require-imports
const { imageReference } = require("../../../toolchain/images.js") as {
    imageReference(name: string): string;
};

const node = { name: "server-1", address: "0.0.0.0" };

describe("a machine that boots", function () {
    this.timeout(180_000);
    const name = `gatehouse-boot-test-${process.pid}`;
    const ready = (seconds: number) => run("docker", ["exec", name, "gatehouse-ready", String(seconds)]);
    const clusterReady = (script: "consul-ready.py" | "nomad-ready.py", port: number, clients: string[]) => {
        const { create, stdin } = readinessCommand(script, {
            api: `http://127.0.0.1:${port}`,
            servers: [node.name],
            clients,
            timeout: 60,
        });
        return run("docker", ["exec", "--interactive", name, "sh", "-c", create], { input: stdin });
    };

    afterEach(() => run("docker", ["rm", "--force", "--volumes", name]));

    it("reports itself ready, forms clusters of one, and keeps its data over a restart", async () => {
        // Docker chooses the address here; the agents find it as they would on a cloud.
        const address = "{{ GetPrivateIP }}";
        const me = { ...node, address };
        await boot(
            name,
            machineConfig(
                dockerRole(),
                consulNode({ datacenter: "dc1", node: me, servers: [me] }),
                nomadNode({
                    datacenter: "dc1",
                    node: me,
                    servers: [me],
                    client: { sidecarImage: "envoy:none", infraImage: "pause:none" },
                }),
            ),
        );
        const whenReady = async () => {
            await eventually("the document has been read", () =>
                docker("exec", name, "test", "-x", readyProgram),
            );
            const booted = await ready(90);
            assert.equal(booted.code, 0, booted.output);
            const { bootSeconds } = JSON.parse(booted.stdout) as { bootSeconds: number };
            assert.ok(bootSeconds > 0 && bootSeconds < 90, booted.stdout);
            const consul = await clusterReady("consul-ready.py", 8500, []);
            assert.equal(consul.code, 0, consul.output);
            const nomad = await clusterReady("nomad-ready.py", 4646, [node.name]);
            assert.equal(nomad.code, 0, nomad.output);
        };
        await whenReady();

        await docker("exec", name, "consul", "kv", "put", "kept", "yes");
        const before = await docker("exec", name, "nomad", "node", "status", "-self", "-json");
        await docker("restart", name);
        await whenReady();
        assert.equal((await docker("exec", name, "consul", "kv", "get", "kept")).trim(), "yes");
        const after = await docker("exec", name, "nomad", "node", "status", "-self", "-json");
        assert.equal(JSON.parse(after).ID, JSON.parse(before).ID);
        assert.match(await docker("exec", name, "ps", "-o", "user=", "-C", "consul"), /^consul$/m);
    });

    it("fails with the last lines of a unit that does not stay up, long before time is up", async () => {
        const service = [
            "[Service]",
            "ExecStart=sh -c 'echo the disk is on fire; exit 3'",
            "Restart=always",
            "RestartSec=200ms",
            "",
        ].join("\n");
        await boot(name, machineConfig({ write_files: unit("broken.service", service) }));
        await eventually("the document has been read", () =>
            docker("exec", name, "test", "-x", readyProgram),
        );
        const result = await ready(60);
        assert.equal(result.code, 1, result.output);
        assert.match(result.output, /Machine server-1: broken\.service (does not stay up|has failed)/);
        assert.match(result.output, /the disk is on fire/);
        assert.ok(result.seconds < 30, `${result.seconds} s`);
    });

    it("fails with the output of a boot command that failed", async () => {
        await boot(name, machineConfig({ runcmd: [["sh", "-c", "echo no such vendor; exit 1"]] }));
        await eventually("the document has been read", () =>
            docker("exec", name, "test", "-x", readyProgram),
        );
        const result = await ready(60);
        assert.equal(result.code, 1, result.output);
        assert.match(result.output, /Machine server-1: cloud-/);
        assert.match(result.output, /no such vendor/);
    });

    it("says what it was waiting for when time is up", async () => {
        const service = "[Service]\nType=notify\nExecStart=sh -c 'echo still thinking; sleep 600'\n";
        await boot(name, machineConfig({ write_files: unit("slow.service", service) }));
        await eventually("slow.service has been started", () =>
            docker("exec", name, "pgrep", "-f", "sleep 600"),
        );
        const result = await ready(2);
        assert.equal(result.code, 1, result.output);
        assert.match(result.output, /not ready after 2 s: slow\.service is activating/);
        assert.match(result.output, /still thinking/);
    });
});

const readyProgram = "/usr/local/bin/gatehouse-ready";

/** What the Docker substrate does, by hand. */
async function boot(name: string, config: CloudConfig): Promise<void> {
    const flags = [
        ...systemdInContainer.capabilities.adds.map((each) => `--cap-add=${each}`),
        ...systemdInContainer.capabilities.drops.map((each) => `--cap-drop=${each}`),
        ...systemdInContainer.securityOpts.map((each) => `--security-opt=${each}`),
        ...Object.keys(systemdInContainer.tmpfs).map((each) => `--tmpfs=${each}`),
        `--cgroupns=${systemdInContainer.cgroupnsMode}`,
        `--stop-signal=${systemdInContainer.stopSignal}`,
        "--tty",
        "--volume=/var/lib/docker",
    ];
    const seed = mkdtempSync(join(tmpdir(), "gatehouse-seed-"));
    try {
        for (const [path, content] of Object.entries({
            "etc/cloud/cloud.cfg.d/90-gatehouse.cfg": dataSource,
            "var/lib/cloud/seed/nocloud/meta-data": "instance-id: test\nlocal-hostname: server-1\n",
            "var/lib/cloud/seed/nocloud/user-data": renderUserData({ ...config, preserve_hostname: true }),
        })) {
            mkdirSync(dirname(join(seed, path)), { recursive: true });
            writeFileSync(join(seed, path), content);
        }
        await docker(
            "create",
            "--name",
            name,
            "--hostname",
            node.name,
            ...flags,
            imageReference("machine-nomad"),
        );
        await docker("cp", `${seed}/.`, `${name}:/`);
        await docker("start", name);
    } finally {
        rmSync(seed, { recursive: true, force: true });
    }
}
