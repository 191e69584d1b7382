import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import { prepareContext } from "../../../components/images/bundle";
import { freePorts, startConsul, type Agent } from "../../support/agents";
import { root } from "../../support/command";
import { eventually } from "../../support/poll";
import { Scene, Target } from "./scene";

describe("the monitor's program", () => {
    let build: string;
    let child: ChildProcess | undefined;
    let output = "";

    before(() => (build = mkdtempSync(join(tmpdir(), "gatehouse-build-"))));
    after(() => rmSync(build, { recursive: true, force: true }));
    afterEach(() => child?.kill("SIGKILL"));

    function start(env: Record<string, string>): ChildProcess {
        const main = join(resolve(root, prepareContext("monitor", build)), "main.js");
        output = "";
        child = spawn(process.execPath, [main], { env, cwd: build, stdio: ["ignore", "pipe", "pipe"] });
        for (const stream of [child.stdout!, child.stderr!]) {
            stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
        }
        return child;
    }

    it("judges, and ends cleanly when it is told to, in the middle of a check", async function () {
        this.timeout(120_000);
        const agent: Agent = await startConsul();
        const target = await Target.start();
        try {
            const scene = new Scene(agent);
            await scene.node("edge");
            await scene.service("edge", "web-1", { HTTP: target.url(), Interval: "1s", Timeout: "30s" });
            const { http: port } = await freePorts(["http"]);
            start({ CONSUL_HTTP_ADDR: agent.address.replace("http://", ""), PORT: String(port) });
            await scene.settled("edge", "passing");
            const health = await fetch(`http://127.0.0.1:${port}/health`);
            assert.deepEqual([health.status, await health.text()], [200, "ok, 1 checks\n"]);
            target.status = undefined;
            const before = target.requests.length;
            await eventually("a check is under way", () => assert.ok(target.requests.length > before));
            child!.kill("SIGTERM");
            assert.deepEqual(await once(child!, "exit"), [0, null]);
            assert.match(output, /edge\/web-1\/web-1: critical -> passing/);
        } finally {
            await target.stop();
            await agent.stop();
        }
    });

    it("refuses settings that it cannot use, by name", async () => {
        for (const [env, message] of [
            [{ PORT: "none" }, /^PORT must be a whole number/m],
            [{ CONSUL_HTTP_ADDR: "ftp://consul" }, /^CONSUL_HTTP_ADDR must be an address/m],
        ] as const) {
            assert.deepEqual(await once(start(env), "exit"), [1, null]);
            await eventually("it says why", () => assert.match(output, message));
        }
    });
});
