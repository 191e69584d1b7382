import * as assert from "node:assert/strict";

import * as pulumi from "@pulumi/pulumi";

import {
    type CloudConfig,
    consulHost,
    dockerRole,
    machineConfig,
    nomadHost,
    registryHost,
    unit,
} from "../../../cloud-init";
import { configureScript } from "../../../components/clusters/configure";
import { openNode } from "../../../components/clusters/open-node";
import { readinessCommand } from "../../../components/clusters/readiness";
import { run } from "../../support/command";
import { docker } from "../../support/docker";
import { eventually } from "../../support/poll";
import { boot } from "./boot";

const node = { name: "server-1", address: "0.0.0.0" };

/** More than a busy computer needs. */
const bootSeconds = 90;

describe("a machine that boots", function () {
    this.timeout(360_000);
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
    const configure = async (args: Parameters<typeof openNode>[0]) => {
        const { create, stdin } = configureScript({ machine: node, configuration: openNode(args) });
        const input = await new Promise<string>((resolve) => pulumi.unsecret(stdin).apply(resolve));
        return run("docker", ["exec", "--interactive", name, "sh", "-c", create], { input });
    };

    const bootAs = (config: CloudConfig) =>
        boot({ name, hostname: node.name, config: { ...config, preserve_hostname: true } });

    afterEach(() => run("docker", ["rm", "--force", "--volumes", name]));

    it("reports itself ready, forms clusters of one, and keeps its data over a restart", async () => {
        // Docker chooses the address here; the agents find it as they would on a cloud.
        const address = "{{ GetPrivateIP }}";
        const me = { ...node, address };
        await bootAs(machineConfig(consulHost(), nomadHost({ client: true }), dockerRole()));
        const whenReady = async () => {
            await documentRead(name);
            const booted = await ready(90);
            assert.equal(booted.code, 0, booted.output);
            return (JSON.parse(booted.stdout) as { bootSeconds: number }).bootSeconds;
        };
        const formed = async () => {
            const consul = await clusterReady("consul-ready.py", 8500, []);
            assert.equal(consul.code, 0, consul.output);
            const nomad = await clusterReady("nomad-ready.py", 4646, [node.name]);
            assert.equal(nomad.code, 0, nomad.output);
        };
        const seconds = await whenReady();
        assert.ok(seconds > 0 && seconds < 90, `${seconds}`);
        // Nobody has told it of its cluster yet.
        await assert.rejects(docker("exec", name, "pgrep", "-x", "consul|nomad"));
        const told = await configure({
            datacenter: "dc1",
            node: me,
            servers: [me],
            client: { sidecarImage: "envoy:none", infraImage: "pause:none" },
        });
        assert.equal(told.code, 0, told.output);
        await formed();

        await docker("exec", name, "consul", "kv", "put", "kept", "yes");
        const before = await docker("exec", name, "nomad", "node", "status", "-self", "-json");
        await docker("restart", name);
        // cloud-init has done all that its document says, and so has it before the machine even boots.
        assert.ok((await whenReady()) < 1);
        await assert.rejects(docker("exec", name, "systemctl", "is-active", "cloud-init.target"));
        await formed();
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
        await bootAs(machineConfig({ write_files: unit("broken.service", service) }));
        await documentRead(name);
        const result = await ready(120);
        assert.equal(result.code, 1, result.output);
        assert.match(result.output, /Machine server-1: broken\.service (does not stay up|has failed)/);
        assert.match(result.output, /the disk is on fire/);
        assert.ok(result.seconds < 60, `${result.seconds} s`);
    });

    it("fails with the output of a boot command that failed", async () => {
        await bootAs(machineConfig({ runcmd: [["sh", "-c", "echo no such vendor; exit 1"]] }));
        await documentRead(name);
        const result = await ready(60);
        assert.equal(result.code, 1, result.output);
        assert.match(result.output, /Machine server-1: cloud-/);
        assert.match(result.output, /no such vendor/);
        // Another try, should the machine be switched off and on.
        await docker("restart", name);
        await eventually(
            "cloud-init runs again",
            () => docker("exec", name, "systemctl", "is-active", "cloud-init.target"),
            { within: bootSeconds },
        );
    });

    it("says what it was waiting for when time is up", async () => {
        const service = "[Service]\nType=notify\nExecStart=sh -c 'echo still thinking; sleep 600'\n";
        await bootAs(machineConfig({ write_files: unit("slow.service", service) }));
        await eventually(
            "slow.service has been started",
            () => docker("exec", name, "pgrep", "-f", "sleep 600"),
            { within: bootSeconds },
        );
        const result = await ready(2);
        assert.equal(result.code, 1, result.output);
        assert.match(result.output, /not ready after 2 s: slow\.service is activating/);
        assert.match(result.output, /still thinking/);
    });
});

describe("a machine of a rehearsal", function () {
    this.timeout(360_000);
    const name = `gatehouse-rehearsal-test-${process.pid}`;
    afterEach(() => run("docker", ["rm", "--force", "--volumes", name]));

    it("installs nothing, is called what its document says, and has a registry that answers", async () => {
        const label = "gatehouse-linode-registry";
        const config = { ...machineConfig(registryHost()), hostname: "registry" };
        await boot({ name, hostname: label, config, image: "machine-rehearsal", network: "none" });
        await documentRead(name);
        const booted = await run("docker", ["exec", name, "gatehouse-ready", "60"]);
        assert.equal(booted.code, 0, booted.output);
        assert.equal((await docker("exec", name, "hostname")).trim(), "registry");
        const answer = await docker("exec", name, "curl", "-fsS", "http://127.0.0.1:5000/v2/");
        assert.equal(answer.trim(), "{}");
        // No repository was asked, and there is none here.
        assert.doesNotMatch(
            await docker("exec", name, "cat", "/var/log/cloud-init-output.log"),
            /^install:/m,
        );
    });
});

/** cloud-init has begun; what it has to do takes longer. */
function documentRead(name: string): Promise<unknown> {
    return eventually(
        "the document has been read",
        () => docker("exec", name, "test", "-x", "/usr/local/bin/gatehouse-ready"),
        { within: bootSeconds },
    );
}
