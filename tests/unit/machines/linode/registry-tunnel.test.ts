import * as assert from "node:assert/strict";
import { fork } from "node:child_process";
import * as net from "node:net";

import { Server, utils, type Connection as Client } from "ssh2";

import { RegistryTunnel } from "../../../../components/machines/linode/registry-tunnel";
import type { Connection } from "../../../../components/machines/machine";
import { eventually } from "../../../support/poll";
import { sshKeys } from "../../../support/ssh-keys";

describe("the way to push to a registry over SSH", () => {
    const host = sshKeys();
    const operator = sshKeys();
    let ssh: Server;
    let echo: net.Server;
    let sshPort: number;
    let clients: Client[];
    let wanted: { host: string; port: number }[];
    let tunnels: RegistryTunnel[];
    let warnings: string[];

    const listening = (server: net.Server | Server): Promise<number> =>
        new Promise((resolve) =>
            (server as net.Server).listen(0, "127.0.0.1", () =>
                resolve((server.address() as net.AddressInfo).port),
            ),
        );

    beforeEach(async () => {
        [clients, wanted, tunnels, warnings] = [[], [], [], []];
        echo = net.createServer({ allowHalfOpen: true }, (socket) => void socket.pipe(socket));
        const echoPort = await listening(echo);
        ssh = new Server({ hostKeys: [host.private] }, (client) => {
            clients.push(client);
            client.on("error", () => {});
            client.on("authentication", (context) => {
                const known = utils.parseKey(operator.public);
                const right =
                    !(known instanceof Error) &&
                    context.method === "publickey" &&
                    context.key.data.equals(known.getPublicSSH());
                if (right) {
                    context.accept();
                } else {
                    context.reject(["publickey"]);
                }
            });
            client.on("tcpip", (accept, _reject, info) => {
                wanted.push({ host: info.destIP, port: info.destPort });
                const channel = accept();
                const socket = net.connect({ host: "127.0.0.1", port: echoPort, allowHalfOpen: true });
                channel.on("error", () => socket.destroy());
                socket.on("error", () => channel.close());
                channel.pipe(socket).pipe(channel);
            });
        });
        sshPort = await listening(ssh);
    });

    afterEach(async () => {
        await Promise.all(tunnels.map((tunnel) => tunnel.close()));
        clients.forEach((client) => client.end());
        ssh.close();
        echo.close();
    });

    async function tunnel(connection: Partial<Connection> = {}): Promise<number> {
        const probe = net.createServer();
        const port = await listening(probe);
        await new Promise((resolve) => probe.close(resolve));
        const made = new RegistryTunnel({
            port,
            connection: async () => ({
                host: "127.0.0.1",
                port: sshPort,
                user: "root",
                privateKey: operator.private,
                hostKey: host.public,
                ...connection,
            }),
            target: { host: "10.213.0.2", port: 5000 },
            warn: (message) => void warnings.push(message),
        });
        tunnels.push(made);
        await made.listen();
        return port;
    }

    /** What comes back of a text when the connection is ended after it; nothing where it breaks. */
    function exchange(port: number, text: string | Buffer): Promise<string> {
        return new Promise((resolve) => {
            const socket = net.connect({ host: "127.0.0.1", port });
            const parts: Buffer[] = [];
            socket.on("data", (part) => parts.push(part));
            socket.on("error", () => {});
            socket.once("close", () => resolve(Buffer.concat(parts).toString()));
            socket.end(text);
        });
    }

    it("carries connections to the machine's own address, all over one that is made when the first comes", async () => {
        const port = await tunnel();
        assert.equal(clients.length, 0);
        const large = "x".repeat(3_000_000);
        const answers = await Promise.all(["one", "two", large].map((text) => exchange(port, text)));
        assert.deepEqual(
            answers.map((text) => text.length),
            [3, 3, large.length],
        );
        assert.deepEqual(answers.slice(0, 2), ["one", "two"]);
        assert.equal(clients.length, 1);
        assert.deepEqual(wanted, Array(3).fill({ host: "10.213.0.2", port: 5000 }));
        assert.deepEqual(warnings, []);
    });

    it("dials again when the connection has broken", async () => {
        const port = await tunnel();
        assert.equal(await exchange(port, "before"), "before");
        clients[0]!.end();
        await eventually("an answer over a new connection", async () =>
            assert.equal(await exchange(port, "after"), "after"),
        );
        assert.equal(clients.length, 2);
    });

    it("sends nothing to a machine with another host key", async () => {
        const port = await tunnel({ hostKey: sshKeys().public });
        assert.equal(await exchange(port, "secret layers"), "");
        assert.deepEqual(wanted, []);
        assert.match(warnings.join(), /cannot be reached over SSH: .*[Hh]ost/);
    });

    it("says so when the machine does not take its key, and shows none", async () => {
        const port = await tunnel({ privateKey: sshKeys().private });
        assert.equal(await exchange(port, "layers"), "");
        assert.match(warnings.join(), /cannot be reached over SSH/);
        assert.doesNotMatch(warnings.join(), /PRIVATE KEY/);
    });

    it("does not listen where somebody else does", async () => {
        const port = await tunnel();
        const second = new RegistryTunnel({
            port,
            connection: () => assert.fail(),
            target: { host: "10.213.0.2", port: 5000 },
            warn: () => {},
        });
        await assert.rejects(second.listen(), { code: "EADDRINUSE" });
    });

    it("keeps no process alive, even with a connection to the machine", async function () {
        this.timeout(60_000);
        const child = fork(require.resolve("./tunnel-program.ts"), { execArgv: ["--import", "tsx"] });
        child.send({ sshPort, privateKey: operator.private, hostKey: host.public });
        const code = await new Promise((resolve) => child.once("exit", resolve));
        assert.equal(code, 0);
        assert.equal(clients.length, 1, "it had a connection");
    });
});
