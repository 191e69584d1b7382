import * as assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Server } from "../../../snapshots/servers";
import { keys, LoggedMachine } from "../../program/roll-ssh";

describe("a server over SSH", function () {
    this.timeout("30s");

    const folder = mkdtempSync(join(tmpdir(), "gatehouse-ssh-"));
    let machine: LoggedMachine;
    let server: Server;

    before(async () => {
        machine = await LoggedMachine.start("server-1", join(folder, "log"));
        server = await Server.connect("server-1", {
            host: "127.0.0.1",
            port: machine.port,
            user: "root",
            privateKey: keys.operator.private,
            hostKey: keys.host.public,
        });
    });

    after(() => {
        server?.close();
        machine?.stop();
        rmSync(folder, { recursive: true });
    });

    it("gets a snapshot as it is, however large", async () => {
        const content = randomBytes(5 * 2 ** 20);
        const sum = createHash("sha256").update(content).digest("hex");
        assert.match((await server.feed("sha256sum", content)).toString(), new RegExp(`^${sum}`));
    });

    it("says what a command complains about, and is there for the next", async () => {
        await assert.rejects(server.feed("echo no room >&2; exit 3", ""), /^Error: server-1: no room$/);
        assert.equal((await server.feed("cat", "text")).toString(), "text");
    });

    it("is asked many things without a warning of Node's", async () => {
        const warnings: Error[] = [];
        const note = (warning: Error) => warnings.push(warning);
        process.on("warning", note);
        for (let times = 0; times < 12; times++) {
            await server.feed("true", "");
        }
        process.off("warning", note);
        assert.deepEqual(warnings, []);
    });

    it("is known to be gone by whoever waits for it", async () => {
        const waiting = server.feed("sleep 5", "");
        server.close();
        await assert.rejects(waiting, /server-1: the connection was closed/);
    });
});
