import * as assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type Awk, awks, program, section } from "./awk";

interface Difference {
    /** What HAProxy is told, in this order, and what is left to a reload. */
    lines: string[];
    /** What has been changed in the running worker after that. */
    runtime: string[];
}

for (const [whose, awk] of awks) {
    describe(`what differs from what HAProxy runs, with ${whose}`, () => testDifference(awk));
}

function testDifference(awk: Awk): void {
    let folder: string;
    before(async () => {
        folder = mkdtempSync(join(tmpdir(), "gatehouse-difference-"));
        await awk.start(folder);
    });
    after(async () => {
        await awk.stop();
        rmSync(folder, { recursive: true });
    });

    const worker = "177-1795277104";
    const two = section("web", 2, ["a", "b"]);
    const server = (name: string, rest = ""): string => `    server ${name} 127.0.0.1:80${rest}`;

    async function difference(
        running: string,
        accepted: string,
        runtime: string[] = [],
        { of = worker, blocked = "0" } = {},
    ): Promise<Difference> {
        const file = (name: string, text: string): string => {
            writeFileSync(join(folder, name), text);
            return join(folder, name);
        };
        const { stdout } = await awk.run([
            ...["-f", program("haproxy-difference.awk")],
            ...[
                "-v",
                `worker=${worker}`,
                "-v",
                `blocked=${blocked}`,
                "-v",
                `result=${join(folder, "result")}`,
            ],
            ...["phase=old", file("old", `${running}\nglobal\n    description gatehouse-1\n`)],
            ...["phase=runtime", file("runtime", [of, ...runtime].map((line) => `${line}\n`).join(""))],
            ...["phase=new", file("new", accepted)],
        ]);
        const [head, ...changes] = readFileSync(join(folder, "result"), "utf8").trim().split("\n");
        assert.equal(head, worker);
        return { lines: stdout.trim().split("\n"), runtime: changes.sort() };
    }

    it("is nothing, or another frame, which takes a reload", async () => {
        assert.deepEqual(await difference(two, two), { lines: ["same"], runtime: [] });
        assert.deepEqual((await difference(two, `defaults\n    retries 2\n${two}`)).lines, ["urgent"]);
        const moved = two.replace("server a 127.0.0.1:80", "server a 127.0.0.1:81");
        assert.deepEqual((await difference(two, moved)).lines, ["urgent"]);
    });

    it("takes out at once a server that is gone, also the last", async () => {
        assert.deepEqual(await difference(two, section("web", 2, ["a"])), {
            lines: ["now set server web/b state maint", "lazy"],
            runtime: ["out web/b"],
        });
        const { lines, runtime } = await difference(section("web", 1, ["a"]), section("web", 1, []));
        assert.deepEqual(lines, ["now set server web/a state maint", "lazy"]);
        assert.deepEqual(runtime, ["out web/a"]);
        assert.deepEqual(await difference(two, section("web", 2, ["a"]), ["out web/b"]), {
            lines: ["lazy"],
            runtime: ["out web/b"],
        });
    });

    it("puts back a server that was taken out", async () => {
        assert.deepEqual(await difference(two, two, ["out web/b"]), {
            lines: ["now set server web/b state ready", "same"],
            runtime: [],
        });
    });

    it("makes a new server, with what default-server says and a check only where there is one", async () => {
        const three = section("web", 3, ["a", "b", "c"]);
        assert.deepEqual(await difference(two, three), {
            lines: ["add add server web/c 127.0.0.1:80  ;enable server web/c", "lazy"],
            runtime: [`in web/c ${server("c")}`],
        });
        const frame = "defaults\n    default-server check inter 1s\n";
        const own = (text: string): string =>
            text.replace("backend web\n", "backend web\n    default-server fall 2\n");
        const [line] = (await difference(frame + own(two), frame + own(three))).lines;
        assert.match(
            line ?? "",
            /^add add server web\/c 127\.0\.0\.1:80 check inter 1s fall 2 *;enable health web\/c;enable server web\/c$/,
        );
    });

    it("leaves a new server with a cookie of its own to a reload, and takes others out meanwhile", async () => {
        const cookie = (text: string): string => text.replace(/^( +server (\S+) \S+)/gm, "$1 cookie $2");
        const running = cookie(two);
        assert.deepEqual(await difference(running, cookie(section("web", 3, ["a", "b", "c"]))), {
            lines: ["urgent"],
            runtime: [],
        });
        assert.deepEqual(await difference(running, cookie(section("web", 2, ["a", "c"]))), {
            lines: ["now set server web/b state maint", "urgent"],
            runtime: ["out web/b"],
        });
        const reloadFailed = { blocked: "1" };
        assert.deepEqual(await difference(running, cookie(section("web", 2, ["a", "c"])), [], reloadFailed), {
            lines: ["now set server web/b state maint", "urgent"],
            runtime: ["out web/b"],
        });
    });

    it("leaves a server in that was made, takes it out and puts it back like any other", async () => {
        const made = `in web/c ${server("c")}`;
        const three = section("web", 3, ["a", "b", "c"]);
        assert.deepEqual(await difference(two, three, [made]), { lines: ["lazy"], runtime: [made] });
        assert.deepEqual(await difference(two, two, [made]), {
            lines: ["now set server web/c state maint", "lazy"],
            runtime: [made, "out web/c"],
        });
        assert.deepEqual(await difference(two, three, [made, "out web/c"]), {
            lines: ["now set server web/c state ready", "lazy"],
            runtime: [made],
        });
    });

    it("takes the old ones out after the new ones are in, where all are replaced", async () => {
        const { lines } = await difference(section("web", 1, ["a"]), section("web", 1, ["c"]));
        assert.deepEqual(lines, [
            "add add server web/c 127.0.0.1:80  ;enable server web/c",
            "then set server web/a state maint",
            "lazy",
        ]);
    });

    it("leaves the old ones in where the new ones take a reload", async () => {
        const { lines } = await difference(
            section("web", 1, ["a"]),
            `defaults\n    retries 2\n${section("web", 1, ["c"])}`,
        );
        assert.deepEqual(lines, ["urgent"]);
    });

    it("does what it can while a reload is not possible", async () => {
        const frame = "defaults\n    retries 2\n";
        const blocked = { blocked: "1" };
        const { lines } = await difference(
            section("web", 1, ["a"]),
            frame + section("web", 1, ["c"]) + section("new", 1, ["d"]),
            [],
            blocked,
        );
        assert.deepEqual(lines, [
            "add add server web/c 127.0.0.1:80  ;enable server web/c",
            "then set server web/a state maint",
            "urgent",
        ]);
    });

    it("leaves servers that Lua fills to Lua, unless there are to be more of them", async () => {
        const slots = (count: number, rest = ""): string =>
            `backend web\n    server-template web 1-${count} 127.0.0.1:1 disabled${rest}\n`;
        assert.deepEqual((await difference(slots(32), slots(32))).lines, ["same"]);
        assert.deepEqual((await difference(slots(32), slots(16))).lines, ["same"]);
        assert.deepEqual((await difference(slots(32), slots(128))).lines, ["urgent"]);
        assert.deepEqual((await difference(slots(32), slots(32, " backup"))).lines, ["urgent"]);
        assert.deepEqual((await difference(slots(32), `${slots(32)}backend api\n`)).lines, ["urgent"]);
        const more =
            slots(16) + slots(16).replace("backend web\n", "").replace("template web", "template far");
        assert.deepEqual((await difference(slots(16), more)).lines, ["urgent"]);
    });

    it("takes no server out, nor puts one in, where another form of discovery comes with a reload", async () => {
        const slots = "backend web\n    server-template web 1-16 127.0.0.1:1 disabled\n";
        assert.deepEqual((await difference(two, slots)).lines, ["urgent"]);
        assert.deepEqual((await difference(slots, two)).lines, ["urgent"]);
        assert.deepEqual((await difference(two, slots, [], { blocked: "1" })).lines, ["urgent"]);
    });

    it("counts what Lua is told as a part of the configuration, and no other comment", async () => {
        const told = (text: string): string => `global\n#discovery ${text}\n`;
        assert.deepEqual((await difference(told("1"), told("2"))).lines, ["urgent"]);
        assert.deepEqual((await difference("# 1\n", "# 2\n")).lines, ["same"]);
    });

    it("leaves servers alone where DNS fills them, or is about to", async () => {
        const filled = "backend web\n    server-template slot 1-16 _web._tcp.service.consul\n";
        for (const blocked of ["0", "1"]) {
            assert.deepEqual((await difference(two, filled, [], { blocked })).lines, ["urgent"]);
            assert.deepEqual((await difference(filled, two, [], { blocked })).lines, ["urgent"]);
        }
        assert.deepEqual((await difference(filled, filled)).lines, ["same"]);
    });

    it("forgets what was changed in a worker that runs no more", async () => {
        assert.deepEqual(await difference(two, section("web", 2, ["a"]), ["out web/b"], { of: "8-1" }), {
            lines: ["now set server web/b state maint", "lazy"],
            runtime: ["out web/b"],
        });
        assert.deepEqual(await difference(two, two, ["out web/b"], { of: "8-1" }), {
            lines: ["same"],
            runtime: [],
        });
    });

    it("says no more on a line than HAProxy reads at once, and everything in order", async () => {
        const names = Array.from({ length: 400 }, (_, n) => `instance-number-${n}`);
        const { lines, runtime } = await difference(section("web", 1, ["a"]), section("web", 400, names));
        assert.ok(lines.every((line) => line.length < 9000));
        const groups = lines.map((line) => line.split(" ")[0]);
        assert.deepEqual([...new Set(groups)], ["add", "then", "lazy"]);
        assert.equal(groups.at(-2), "then");
        assert.ok(groups.length > 4);
        assert.equal(runtime.length, 401);
    });
}
