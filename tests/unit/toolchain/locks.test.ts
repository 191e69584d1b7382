import * as assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

import { root } from "../../../toolchain/paths";

/** Says `in`, stays in the lock for a moment, says `out`: in one file, which keeps the order of several processes. */
const holder = `
    const { withLock } = require(${JSON.stringify(path.join(root, "toolchain", "locks.js"))});
    const say = (word) =>
        require("node:fs").appendFileSync(process.argv[2], word + " " + process.pid + "\\n");
    withLock("thing", async () => {
        say("in");
        await new Promise((resolve) => setTimeout(resolve, Number(process.argv[1])));
        say("out");
    }, () => say("wait"));
`;

describe("withLock", function () {
    this.timeout(60_000);
    let cache: string;
    let children: ChildProcess[];
    let said: string;

    beforeEach(() => {
        cache = fs.mkdtempSync(path.join(os.tmpdir(), "gatehouse-locks-"));
        children = [];
        said = path.join(cache, "said");
        fs.writeFileSync(said, "");
    });
    afterEach(() => {
        children.forEach((child) => child.kill("SIGKILL"));
        fs.rmSync(cache, { recursive: true, force: true });
    });

    function start(milliseconds: number): ChildProcess {
        const child = spawn(process.execPath, ["-e", holder, String(milliseconds), said], {
            env: { PATH: process.env["PATH"], GATEHOUSE_CACHE: cache },
            stdio: ["ignore", "ignore", "inherit"],
        });
        children.push(child);
        return child;
    }

    const lines = (): string[] => fs.readFileSync(said, "utf8").split("\n").slice(0, -1);

    async function until(what: string, holds: () => boolean): Promise<void> {
        const deadline = Date.now() + 15_000;
        while (!holds()) {
            assert.ok(Date.now() < deadline, `not seen: ${what}; seen: ${lines().join(", ")}`);
            await new Promise((resolve) => setTimeout(resolve, 10));
        }
    }

    it("lets one process in at a time", async () => {
        const all = [start(60), start(60), start(60), start(60)];
        await Promise.all(all.map((child) => once(child, "exit")));
        const passages = lines().filter((line) => !line.startsWith("wait"));
        assert.equal(passages.length, 8);
        for (let i = 0; i < passages.length; i += 2) {
            assert.equal(passages[i]?.replace("in", "out"), passages[i + 1], lines().join(", "));
        }
        assert.deepEqual(fs.readdirSync(path.join(cache, "locks")), []);
    });

    it("tells who waits", async () => {
        start(60_000);
        await until("the first one in", () => lines().some((line) => line.startsWith("in")));
        const second = start(0);
        await until("the second one waiting", () => lines().includes(`wait ${second.pid}`));
    });

    it("takes over from a process that was killed, once", async () => {
        const victim = start(60_000);
        await until("the victim in", () => lines().includes(`in ${victim.pid}`));
        const heirs = [start(50), start(50), start(50)];
        await until("all waiting", () => lines().filter((line) => line.startsWith("wait")).length === 3);
        victim.kill("SIGKILL");
        await Promise.all(heirs.map((child) => once(child, "exit")));
        const passages = lines()
            .filter((line) => !line.startsWith("wait"))
            .slice(1);
        assert.equal(passages.length, 6);
        for (let i = 0; i < 6; i += 2) {
            assert.equal(passages[i]?.replace("in", "out"), passages[i + 1], lines().join(", "));
        }
    });

    it("does not take a process for the one that had its number before", async () => {
        fs.mkdirSync(path.join(cache, "locks"));
        const lock = { pid: process.pid, started: "another time", host: os.hostname() };
        fs.writeFileSync(path.join(cache, "locks", "thing.lock"), JSON.stringify(lock));
        const child = start(0);
        await once(child, "exit");
        assert.ok(lines().includes(`out ${child.pid}`));
    });

    it("believes a lock of another host for as long as it shows signs of life", async () => {
        fs.mkdirSync(path.join(cache, "locks"));
        const file = path.join(cache, "locks", "thing.lock");
        fs.writeFileSync(file, JSON.stringify({ pid: 1, started: "1", host: "elsewhere" }));
        const child = start(0);
        await until("it waiting", () => lines().includes(`wait ${child.pid}`));
        fs.utimesSync(file, new Date(Date.now() - 120_000), new Date(Date.now() - 120_000));
        await once(child, "exit");
        assert.ok(lines().includes(`out ${child.pid}`));
    });
});
