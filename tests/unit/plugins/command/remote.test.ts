import assert from "node:assert/strict";
import { createServer, type AddressInfo } from "node:net";

import { Server, utils, type AuthContext, type Connection } from "ssh2";

import { commandProvider } from "../../../../plugins/command/provider";
import type { Values } from "../../../../plugins/lib";
import { ProviderHarness, Secret } from "../../../support/provider-harness";
import { sshKeys } from "../../../support/ssh-keys";

const type = "command:remote:Command";

interface Recorded {
    command: string;
    environment: Record<string, string>;
    stdin: string;
}

/** An SSH server that records commands and answers `echo …`, `fail …` and `hang`. */
class Machine {
    readonly recorded: Recorded[] = [];
    connections = 0;
    port = 0;
    private readonly clients = new Set<Connection>();
    private readonly server: Server;

    constructor(
        hostKeys: string[],
        private readonly operator: string,
    ) {
        this.server = new Server({ hostKeys }, (client) => this.accept(client));
    }

    async listen(port = 0): Promise<void> {
        await new Promise<void>((resolve) => this.server.listen(port, "127.0.0.1", resolve));
        this.port = (this.server.address() as AddressInfo).port;
    }

    close(): void {
        this.clients.forEach((client) => client.end());
        this.server.close();
    }

    private accept(client: Connection): void {
        this.connections++;
        this.clients.add(client);
        client.on("error", () => {});
        client.on("authentication", (context: AuthContext) => this.authenticate(context));
        client.on("session", (accept) => {
            const session = accept();
            const environment: Record<string, string> = {};
            session.on("env", (acceptEnv, _reject, { key, val }) => {
                environment[key] = val;
                acceptEnv?.();
            });
            session.on("exec", (acceptExec, _reject, { command }) => {
                const channel = acceptExec();
                let stdin = "";
                channel.on("data", (chunk: Buffer) => (stdin += chunk.toString()));
                channel.on("end", () => {
                    this.recorded.push({ command, environment, stdin });
                    const [verb, ...words] = command.split(" ");
                    if (verb === "hang") {
                        channel.write("hanging\n");
                        return;
                    }
                    channel.write(`${words.join(" ")}\n`);
                    channel.stderr.write("warned\n");
                    channel.exit(verb === "fail" ? 4 : 0);
                    channel.end();
                });
            });
        });
    }

    private authenticate(context: AuthContext): void {
        const allowed = utils.parseKey(this.operator);
        const key = Array.isArray(allowed) ? allowed[0] : allowed;
        if (context.method === "password" && context.password === "pass") {
            context.accept();
        } else if (
            context.method === "publickey" &&
            key &&
            !(key instanceof Error) &&
            context.key.data.equals(key.getPublicSSH())
        ) {
            context.accept();
        } else {
            context.reject(["publickey", "password"]);
        }
    }
}

describe("command plugin, remote.Command", function () {
    this.timeout(60_000);
    const host = sshKeys();
    const operator = sshKeys();
    const agent = process.env.SSH_AUTH_SOCK;
    let machine: Machine;
    let harness: ProviderHarness;

    before(() => {
        delete process.env.SSH_AUTH_SOCK;
    });
    after(() => {
        if (agent !== undefined) {
            process.env.SSH_AUTH_SOCK = agent;
        }
    });
    beforeEach(async () => {
        machine = new Machine([host.private], operator.public);
        await machine.listen();
        harness = await ProviderHarness.start(commandProvider);
    });
    afterEach(() => {
        harness.close();
        machine.close();
    });

    const connection = (more: Values = {}): Values => ({
        host: "127.0.0.1",
        port: machine.port,
        user: "root",
        privateKey: operator.private,
        hostKey: host.public,
        ...more,
    });
    const make = async (inputs: Values): ReturnType<ProviderHarness["create"]> => {
        const checked = await harness.check(type, inputs);
        assert.deepEqual(checked.failures, []);
        return harness.create(type, checked.inputs);
    };

    it("runs a command with environment and standard input", async () => {
        const { outputs } = await make({
            connection: connection(),
            create: "echo hello",
            environment: { A: "1" },
            stdin: "typed",
        });
        assert.deepEqual(machine.recorded, [
            { command: "echo hello", environment: { A: "1" }, stdin: "typed" },
        ]);
        assert.equal(outputs.stdout, "hello");
        assert.equal(outputs.stderr, "warned");
        assert.ok(outputs.connection instanceof Secret);
        const messages = harness.logs.map((line) => line.message);
        assert.ok(messages.includes("hello") && messages.includes("warned"), messages.join(" | "));
    });

    it("fills in the connection's defaults, and refuses a proxy by name", async () => {
        const { inputs } = await harness.check(type, { connection: { host: "h" }, create: "x" });
        assert.deepEqual(inputs.connection, {
            host: "h",
            port: 22,
            user: "root",
            dialErrorLimit: 10,
            perDialTimeout: 15,
        });
        const { failures } = await harness.check(type, { connection: { host: "h", proxy: { host: "p" } } });
        assert.equal(failures[0]?.property, "connection.proxy");
    });

    it("refuses another host key at once, without a retry and without a command", async () => {
        const started = Date.now();
        await assert.rejects(
            make({ connection: connection({ hostKey: sshKeys().public }), create: "echo hello" }),
            /host key does not match connection\.hostKey: expected ssh-ed25519 SHA256:.*got SHA256:/,
        );
        assert.ok(Date.now() - started < 2000);
        assert.equal(machine.connections, 1);
        assert.deepEqual(machine.recorded, []);
    });

    it("refuses a host that has no key of the pinned type", async () => {
        const { public: hostKey } = utils.generateKeyPairSync("ecdsa", { bits: 256 }) as unknown as {
            public: string;
        };
        await assert.rejects(
            make({ connection: connection({ hostKey }), create: "x" }),
            /does not match connection\.hostKey/,
        );
        assert.equal(machine.connections, 1);
    });

    it("accepts any host without a pinned key, and a password", async () => {
        const settings = { host: "127.0.0.1", port: machine.port, user: "root", password: "pass" };
        const { outputs } = await make({ connection: settings, create: "echo in" });
        assert.equal(outputs.stdout, "in");
    });

    it("says which key cannot be used", async () => {
        await assert.rejects(
            make({ connection: connection({ privateKey: "nonsense" }), create: "x" }),
            /connection\.privateKey cannot be used/,
        );
        await assert.rejects(
            make({ connection: connection({ hostKey: "nonsense" }), create: "x" }),
            /connection\.hostKey is not a public key/,
        );
        assert.equal(machine.recorded.length, 0);
    });

    it("retries until the machine answers", async () => {
        const port = machine.port;
        machine.close();
        const running = make({ connection: connection({ port }), create: "echo late" });
        const deadline = Date.now() + 10_000;
        while (!harness.logs.some((line) => /^Dial 2\/10 failed: retrying/.test(line.message))) {
            assert.ok(Date.now() < deadline, "it never retried");
            await new Promise((resolve) => setTimeout(resolve, 20));
        }
        machine = new Machine([host.private], operator.public);
        await machine.listen(port);
        assert.equal((await running).outputs.stdout, "late");
    });

    it("gives up after dialErrorLimit retries", async () => {
        const port = machine.port;
        machine.close();
        await assert.rejects(
            make({ connection: connection({ port, dialErrorLimit: 1 }), create: "x" }),
            new RegExp(`ssh root@127\\.0\\.0\\.1:${port}: after 2 failed attempts: .*ECONNREFUSED`),
        );
    });

    it("does not wait longer than perDialTimeout for one attempt", async () => {
        const silent = createServer(() => {});
        await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
        try {
            const { port } = silent.address() as AddressInfo;
            const started = Date.now();
            await assert.rejects(
                make({ connection: connection({ port, dialErrorLimit: 0, perDialTimeout: 1 }), create: "x" }),
                /after 1 failed attempts: .*[Tt]imed out/,
            );
            assert.ok(Date.now() - started < 3000);
        } finally {
            silent.close();
        }
    });

    it("updates with the previous output, and replaces when a trigger changes", async () => {
        const inputs = { connection: connection(), create: "echo one", update: "echo two", triggers: ["a"] };
        const checked = (await harness.check(type, inputs)).inputs;
        const { id, outputs } = await harness.create(type, checked);
        const news = { ...checked, update: "echo three" };
        const updated = await harness.update(type, id, outputs, checked, news);
        assert.equal(updated.stdout, "three");
        assert.deepEqual(machine.recorded[1]?.environment, {
            PULUMI_COMMAND_STDOUT: "one",
            PULUMI_COMMAND_STDERR: "warned",
        });
        const moved = await harness.diff(type, id, outputs, checked, {
            ...checked,
            connection: connection({ user: "other" }),
        });
        assert.ok(moved.changed);
        assert.deepEqual(moved.replaces, []);
        const triggered = await harness.diff(type, id, outputs, checked, { ...checked, triggers: ["b"] });
        assert.deepEqual(triggered.replaces, ["triggers"]);
    });

    it("runs delete with the recorded connection", async () => {
        const { inputs } = await harness.check(type, {
            connection: connection(),
            create: "echo x",
            delete: "echo gone",
        });
        const { id, outputs } = await harness.create(type, inputs);
        await harness.delete(type, id, outputs);
        assert.equal(machine.recorded[1]?.command, "echo gone");
    });

    it("shows status, command and output of a failure, but not the key", async () => {
        await assert.rejects(make({ connection: connection(), create: "fail because" }), (error: Error) => {
            assert.match(error.message, /^Process exited with status 4: running "fail because":\nbecause/);
            assert.ok(!error.message.includes(operator.private.split("\n")[2]!));
            return true;
        });
    });

    it("breaks off on cancellation, and tells when the machine goes away", async () => {
        const hanging = async (): Promise<void> => {
            const deadline = Date.now() + 10_000;
            const seen = harness.logs.length;
            while (!harness.logs.slice(seen).some((line) => line.message === "hanging")) {
                assert.ok(Date.now() < deadline, "it never ran");
                await new Promise((resolve) => setTimeout(resolve, 20));
            }
        };
        const cancelled = assert.rejects(make({ connection: connection(), create: "hang" }), /cancelled/);
        await hanging();
        await harness.cancel();
        await cancelled;
        const broken = assert.rejects(
            make({ connection: connection(), create: "hang" }),
            /closed before the command ended/,
        );
        await hanging();
        machine.close();
        await broken;
    });
});
