import * as assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as http from "node:http";
import { join } from "node:path";

import { freePorts } from "../../support/agents";
import { GracefulServer } from "../../../images/common/graceful";
import { createHello } from "../../../images/hello/server";
import { eventually } from "../../support/poll";
import { get } from "./http";

const root = join(__dirname, "../../..");

describe("an application that is told to stop", () => {
    it("says that it is not healthy any more and goes on serving, until the drain delay is over", async () => {
        const options = { name: "demo", instance: "i", node: "n", nodeAddress: "", port: 1 };
        const hello = createHello({ ...options, drainDelayMs: 2000 });
        const url = `http://127.0.0.1:${await hello.listen(0, "127.0.0.1")}`;
        const drained = hello.drain();
        const [health, page] = await Promise.all([get(`${url}/health`), get(url)]);
        assert.equal(health.status, 503);
        assert.equal(page.status, 200);
        assert.equal(page.headers.connection, "close");
        await drained;
        await assert.rejects(get(url), /ECONNREFUSED/);
    });

    it("finishes the requests that run", async () => {
        const running: http.ServerResponse[] = [];
        const server = new GracefulServer({
            drainDelayMs: 0,
            handler: (_, response) => running.push(response),
        });
        const url = `http://127.0.0.1:${await server.listen(0, "127.0.0.1")}`;
        const agent = new http.Agent({ keepAlive: true });
        const answer = get(url, { agent });
        await eventually("the request has arrived", () => assert.equal(running.length, 1), { every: 5 });
        const drained = server.drain();
        await eventually("the port is closed", () => assert.equal(server.server.listening, false), {
            every: 5,
        });
        await assert.rejects(get(url), /ECONNREFUSED/);
        running[0]!.end("done");
        assert.equal((await answer).body, "done");
        await drained;
        agent.destroy();
    });

    it("closes kept-alive connections that are idle instead of waiting for them", async () => {
        const server = new GracefulServer({
            drainDelayMs: 0,
            handler: (_, response) => response.end("here"),
        });
        const url = `http://127.0.0.1:${await server.listen(0, "127.0.0.1")}`;
        const agent = new http.Agent({ keepAlive: true });
        await get(url, { agent });
        await server.drain();
        agent.destroy();
    });

    it("exits with 0 on SIGTERM", async () => {
        const child = program("hello", { PORT: "0x", NAME: "x" });
        const [code] = (await once(child, "exit")) as [number];
        assert.equal(code, 1, "a port that is none must end the program");

        const service = program("hello", {
            PORT: String((await freePorts(["http"])).http),
            DRAIN_DELAY_MS: "0",
        });
        await once(service.stdout, "data");
        service.kill("SIGTERM");
        assert.deepEqual(await once(service, "exit"), [0, null]);
    });

    it("refuses wrong settings by name", async () => {
        const wrong: [string, Record<string, string>, RegExp][] = [
            ["hello", { PORT: "70000" }, /PORT must be a whole number from 1 to 65535, not "70000"/],
            ["hello", { DRAIN_DELAY_MS: "soon" }, /DRAIN_DELAY_MS must be a whole number/],
            [
                "counter-dashboard",
                { COUNTING_SERVICE_URL: "ftp://x" },
                /COUNTING_SERVICE_URL must be an http:/,
            ],
        ];
        for (const [app, env, message] of wrong) {
            const child = program(app, env);
            let errors = "";
            child.stderr.on("data", (chunk) => (errors += String(chunk)));
            const [code] = (await once(child, "close")) as [number];
            assert.equal(code, 1);
            assert.match(errors, message);
        }
    });
});

function program(app: string, env: Record<string, string>) {
    return spawn(process.execPath, ["--import", "tsx", join(root, "images", app, "main.ts")], {
        cwd: root,
        env: { PATH: process.env.PATH, ...env },
        stdio: ["ignore", "pipe", "pipe"],
    });
}
