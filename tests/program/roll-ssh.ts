import { spawn } from "node:child_process";
import { appendFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { Server, type Connection } from "ssh2";

import { unpacked } from "../support/packed";
import { sshKeys } from "../support/ssh-keys";

/** The keys that a test's SSH servers and their clients share. */
export const keys = {
    host: sshKeys(),
    operator: sshKeys(),
};

/** Which script it is, by its last line. */
const scripts: Record<string, string> = {
    "main(let_go)": "turn",
    "main(apply)": "configure",
    "main(gate)": "gate",
    "main(tell)": "plan",
};

/** An SSH server that runs what it is told, and writes to a log when that begins and how it ends. */
export class LoggedMachine {
    port = 0;
    private readonly clients = new Set<Connection>();
    private readonly server: Server;

    private constructor(
        private readonly name: string,
        private readonly log: string,
    ) {
        this.server = new Server({ hostKeys: [keys.host.private] }, (client) => this.accept(client));
    }

    static async start(name: string, log: string): Promise<LoggedMachine> {
        const machine = new LoggedMachine(name, log);
        await new Promise<void>((resolve) => machine.server.listen(0, "127.0.0.1", resolve));
        machine.port = (machine.server.address() as AddressInfo).port;
        return machine;
    }

    stop(): void {
        this.clients.forEach((client) => client.end());
        this.server.close();
    }

    private accept(client: Connection): void {
        this.clients.add(client);
        client.on("error", () => undefined);
        client.on("close", () => this.clients.delete(client));
        client.on("authentication", (context) =>
            context.method === "publickey" ? context.accept() : context.reject(["publickey"]),
        );
        client.on("session", (accept) =>
            accept().on("exec", (acceptExec, _reject, { command }) => {
                const channel = acceptExec();
                const child = spawn("sh", ["-c", command], { stdio: "pipe" });
                let input = "";
                let what = /"do": ?"(\w+)"/.exec(command)?.[1] ?? "";
                channel.on("data", (chunk: Buffer) => {
                    input += chunk.toString();
                    child.stdin.write(chunk);
                });
                channel.on("end", () => {
                    child.stdin.end();
                    const program = unpacked(input).trimEnd();
                    const known = Object.entries(scripts).find(([line]) => program.endsWith(line));
                    what ||= known?.[1] ?? command;
                    this.note(`${what} begins`);
                });
                let said = "";
                const pass = (chunk: Buffer): void => {
                    said += chunk.toString();
                };
                child.stdout.on("data", (chunk: Buffer) => channel.write(chunk));
                child.stderr.on("data", (chunk: Buffer) => {
                    pass(chunk);
                    channel.stderr.write(chunk);
                });
                child.stdin.on("error", () => undefined);
                child.on("close", (code) => {
                    this.note(code === 0 ? `${what} ends` : `${what} fails: ${said}`);
                    channel.exit(code ?? 1);
                    channel.end();
                });
            }),
        );
    }

    private note(what: string): void {
        appendFileSync(this.log, `${this.name} ${what}\n`);
    }
}
