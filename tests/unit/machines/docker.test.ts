import * as assert from "node:assert/strict";

import * as pulumi from "@pulumi/pulumi";
import { parse } from "yaml";

import type { DockerSubstrate } from "../../../components/machines/docker";
import type { Machine, MachineArgs } from "../../../components/machines/machine";

/** What the tests look at of the inputs of the substrate's resources. */
interface Inputs {
    name: string;
    labels: { label: string; value: string }[];
    ports: { internal: number; external: number; ip: string }[];
    uploads: { file: string; content: string; permissions?: string }[];
    connection: { hostKey: string };
    triggers: unknown[];
}

interface Created {
    type: string;
    name: string;
    inputs: Inputs;
}

const privateKey = (name: string) =>
    `-----BEGIN OPENSSH PRIVATE KEY-----\n${name}\n-----END OPENSSH PRIVATE KEY-----\n`;

describe("the Docker substrate", () => {
    let created: Created[];

    beforeEach(async () => {
        created = [];
        await pulumi.runtime.setMocks(
            {
                newResource: ({ type, name, inputs }) => {
                    created.push({ type, name, inputs: plain(inputs) as Inputs });
                    const outputs: Record<string, (name: string) => object> = {
                        "tls:index/privateKey:PrivateKey": () => ({
                            privateKeyOpenssh: privateKey(name),
                            publicKeyOpenssh: `ssh-ed25519 ${name}\n`,
                        }),
                        "command:remote:Command": () => ({ stdout: '{"bootSeconds":2.5}\n', stderr: "" }),
                        "docker:index/container:Container": () => ({}),
                        "docker:index/network:Network": () => ({}),
                        "docker:index/volume:Volume": () => ({}),
                        "gatehouse:machines:DockerMachine": () => ({}),
                        "gatehouse:machines:DockerSubstrate": () => ({}),
                    };
                    const computed = outputs[type];
                    assert.ok(computed, `unexpected resource ${type}`);
                    return { id: `${name}-id`, state: { ...inputs, ...computed(name) } };
                },
                call: ({ token }) => assert.fail(`unexpected call ${token}`),
            },
            "gatehouse",
            "test",
        );
    });

    async function substrate(): Promise<DockerSubstrate> {
        // Loaded after the mocks are in place.
        const { DockerSubstrate } = await import("../../../components/machines/docker");
        return new DockerSubstrate("machines", {
            project: "gatehouse",
            stack: "test",
            subnet: "10.213.0.0/24",
            machineImage: "gatehouse/machine-nomad:1",
            registryImage: "gatehouse/registry:1",
            registryPort: 5001,
            sshPortBase: 2200,
        });
    }

    const machineArgs: MachineArgs = {
        roles: ["consul-server"],
        publishedPorts: [{ port: 8500, publishedPort: 18500, audience: "operators" }],
        cloudConfig: { runcmd: [["true"]] },
    };

    /** Waits for everything that hangs on the machine; then all its resources have been registered. */
    async function settle(machine: Machine) {
        return valueOf(pulumi.all([machine.ready, machine.connection, machine.instanceId]));
    }

    function one(type: string, name: string): Inputs {
        const found = created.filter((each) => each.type === type && each.name === name);
        assert.equal(found.length, 1, `${type} ${name}: ${JSON.stringify(created.map((each) => each.name))}`);
        return found[0]!.inputs;
    }

    it("publishes on loopback only", async () => {
        await settle((await substrate()).addMachine("server-1", machineArgs));
        const containers = created.filter((each) => each.type.endsWith(":Container"));
        assert.deepEqual(containers.map((each) => each.name).sort(), ["machines-registry", "server-1"]);
        const ports = containers.flatMap((each) => each.inputs.ports);
        assert.equal(ports.length, 3);
        assert.deepEqual(new Set(ports.map((port) => port.ip)), new Set(["127.0.0.1"]));
        assert.deepEqual(
            one("docker:index/container:Container", "server-1").ports.map((port) => [
                port.internal,
                port.external,
            ]),
            [
                [22, 2211],
                [8500, 18500],
            ],
        );
    });

    it("names and labels every Docker object after project and stack", async () => {
        await settle((await substrate()).addMachine("server-1", machineArgs));
        const objects = created.filter((each) => each.type.startsWith("docker:"));
        assert.equal(objects.length, 5);
        for (const { inputs } of objects) {
            assert.match(
                inputs.name,
                /^gatehouse-test-(network|registry|server-1|server-1-docker-[0-9a-f]{12})$/,
            );
            const labels = Object.fromEntries(inputs.labels.map((each) => [each.label, each.value]));
            assert.equal(labels["dev.gatehouse.project"], "gatehouse");
            assert.equal(labels["dev.gatehouse.stack"], "test");
        }
    });

    it("seeds cloud-init with the document, the operator's key and the machine's own host key", async () => {
        const machine = (await substrate()).addMachine("server-1", machineArgs);
        const [, connection] = await settle(machine);
        const container = one("docker:index/container:Container", "server-1");
        const upload = (file: string) => {
            const found = container.uploads.find((each) => each.file === file);
            assert.ok(found, `no upload of ${file}`);
            return found;
        };
        const userData = upload("/var/lib/cloud/seed/nocloud/user-data");
        assert.equal(userData.permissions, "0600");
        const document = parse(userData.content);
        assert.deepEqual(document.runcmd, [["true"]]);
        assert.deepEqual(document.ssh_authorized_keys, ["ssh-ed25519 machines-operator"]);
        assert.deepEqual(document.ssh_keys, {
            ed25519_private: privateKey("server-1-host-key"),
            ed25519_public: "ssh-ed25519 server-1-host-key",
        });
        assert.doesNotMatch(userData.content, /PRIVATE KEY-----\s+machines-operator/);
        assert.deepEqual(parse(upload("/etc/cloud/cloud.cfg.d/90-gatehouse.cfg").content).datasource_list, [
            "NoCloud",
        ]);
        assert.deepEqual(connection, {
            host: "127.0.0.1",
            port: 2211,
            user: "root",
            privateKey: privateKey("machines-operator"),
            hostKey: "ssh-ed25519 server-1-host-key",
        });
    });

    it("never connects without the pinned host key", async () => {
        await settle((await substrate()).addMachine("server-1", machineArgs));
        const command = one("command:remote:Command", "server-1-ready");
        assert.equal(command.connection.hostKey, "ssh-ed25519 server-1-host-key");
        assert.deepEqual(command.triggers, ["server-1-id"]);
    });

    it("passes on that keys are secret", async () => {
        const machine = (await substrate()).addMachine("server-1", machineArgs);
        await settle(machine);
        assert.equal(await pulumi.isSecret(machine.connection), true);
        assert.equal(await pulumi.isSecret(machine.ready), false);
    });

    it("gives a machine another instance when its document changes, and only then", async () => {
        const host = await substrate();
        const seedOf = (name: string) =>
            one("docker:index/volume:Volume", `${name}-docker`).name.split("-").at(-1);
        await settle(host.addMachine("server-1", machineArgs));
        const first = seedOf("server-1");
        created = [];
        await settle((await substrate()).addMachine("server-1", machineArgs));
        assert.equal(seedOf("server-1"), first);
        created = [];
        await settle(
            (await substrate()).addMachine("server-1", {
                ...machineArgs,
                cloudConfig: { runcmd: [["false"]] },
            }),
        );
        assert.notEqual(seedOf("server-1"), first);
    });

    it("knows addresses before machines exist, and names endpoints", async () => {
        const host = await substrate();
        assert.equal(await valueOf(host.addressOf("server-2")), "10.213.0.12");
        const machine = host.addMachine("server-1", machineArgs);
        assert.deepEqual(await valueOf(machine.endpoint(8500)), { host: "127.0.0.1", port: 18500 });
        assert.throws(() => machine.endpoint(4646), /Port 4646 of machine server-1 is not published; add it/);
        assert.deepEqual(await valueOf(pulumi.all([host.registry.pushAddress, host.registry.pullAddress])), [
            "127.0.0.1:5001",
            "10.213.0.2:5000",
        ]);
    });
});

/** Without the engine's wrapping of secrets. */
function plain(value: unknown): unknown {
    if (Array.isArray(value)) {
        return value.map(plain);
    }
    if (typeof value !== "object" || value === null) {
        return value;
    }
    return pulumi.runtime.isRpcSecret(value)
        ? plain(pulumi.runtime.unwrapRpcSecret(value))
        : Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}

function valueOf<T>(output: pulumi.Output<T>): Promise<T> {
    return (output as pulumi.Output<T> & { promise(): Promise<T> }).promise();
}
