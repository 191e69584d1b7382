import * as assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { imageReference } from "../../../toolchain/images";
import { output, root, run, type CommandResult } from "../../support/command";

const guard = join(root, "components/balancers/guard");
const program = (name: string): string => join(guard, name);

interface Look {
    code: number | null;
    events: string;
    /** The configuration to use; undefined when there is none. */
    result: string | undefined;
    holds: string;
}

const section = (name: string, known: number, servers: string[]): string =>
    [
        `#guard service ${name} known ${known} passing ${servers.length}`,
        `backend ${name}`,
        ...servers.map((server) => `    server ${server} 127.0.0.1:80`),
        "#guard end",
        "",
    ].join("\n");

/** An awk, and a folder that it sees under the same path. */
interface Awk {
    start(folder: string): Promise<void>;
    stop(): Promise<void>;
    run(args: string[]): Promise<CommandResult>;
}

const ownAwk: Awk = {
    start: async () => {},
    stop: async () => {},
    run: (args) => run("awk", args),
};

/** Busybox's, in the image that the guard runs in. */
function imageAwk(): Awk {
    const name = `gatehouse-test-guard-${process.pid}`;
    const user = `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`;
    return {
        start: async (folder) => {
            await output("docker", [
                ...["run", "--detach", "--name", name, "--label", `dev.gatehouse.stack=${name}`],
                ...["--network", "none", "--user", user, "--entrypoint", "/bin/sleep"],
                ...["--volume", `${folder}:${folder}`, "--volume", `${guard}:${guard}:ro`],
                ...[imageReference("haproxy-base"), "3600"],
            ]);
        },
        stop: async () => {
            await run("docker", ["rm", "--force", name]);
        },
        run: (args) => run("docker", ["exec", name, "awk", ...args]),
    };
}

for (const [whose, awk] of [
    ["this computer's awk", ownAwk],
    ["the image's awk", imageAwk()],
] as const) {
    describe(`the guard of rendered configurations, with ${whose}`, () => testGuard(awk));
}

function testGuard(awk: Awk): void {
    let folder: string;
    before(async () => {
        folder = mkdtempSync(join(tmpdir(), "gatehouse-guard-"));
        await awk.start(folder);
    });
    after(async () => {
        await awk.stop();
        rmSync(folder, { recursive: true, force: true });
    });

    /** One look of the real program. Times are hundredths of a second. */
    async function look(
        accepted: string,
        rendered: string,
        { share = 0.5, hold = 6000, now = 10_000, holds = "" } = {},
    ): Promise<Look> {
        const file = (name: string, text: string): string => {
            writeFileSync(join(folder, name), text);
            return join(folder, name);
        };
        for (const left of ["result", "holds.new"]) {
            rmSync(join(folder, left), { force: true });
        }
        const variables = {
            share,
            hold,
            now,
            result: join(folder, "result"),
            holds: join(folder, "holds.new"),
        };
        const { code, stdout } = await awk.run([
            ...["-f", program("haproxy-guard.awk")],
            ...Object.entries(variables).flatMap(([name, value]) => ["-v", `${name}=${value}`]),
            ...["phase=old", file("accepted", accepted), "phase=holds", file("holds", holds)],
            ...["phase=new", file("rendered", rendered)],
        ]);
        const read = (path: string): string | undefined =>
            existsSync(path) ? readFileSync(path, "utf8") : undefined;
        return { code, events: stdout, result: read(variables.result), holds: read(variables.holds) ?? "" };
    }

    const many = (count: number): string[] => Array.from({ length: count }, (_, n) => `s${n}`);
    const table: [
        before: number,
        known: number,
        passing: number,
        share: number,
        taken: boolean,
        why: string,
    ][] = [
        [2, 2, 2, 0.5, true, "the same"],
        [2, 5, 5, 0.5, true, "more"],
        [2, 1, 1, 0.5, true, "half is not shorter than half"],
        [3, 1, 1, 0.5, false, "less than half"],
        [2, 0, 0, 0.5, false, "suddenly empty"],
        [2, 2, 0, 0.5, true, "all known and none passes"],
        [10, 3, 0, 0.5, true, "fewer are known, and none passes"],
        [10, 10, 1, 0.5, true, "all known, one passes"],
        [10, 9, 9, 1, false, "a share of one allows no loss"],
        [2, 0, 0, 0, true, "the guard is off"],
        [0, 0, 0, 0.5, true, "never had any"],
    ];
    for (const [before, known, passing, share, taken, why] of table) {
        it(`${taken ? "believes" : "holds back"} ${known} known, ${passing} passing after ${before}: ${why}`, async () => {
            const accepted = section("web", before, many(before));
            const rendered = section("web", known, many(passing));
            const { code, result, holds } = await look(accepted, rendered, { share });
            assert.equal(code, 0);
            assert.equal(result, taken ? rendered : accepted);
            assert.equal(holds, taken ? "" : `service:web ${known} 10000\n`);
        });
    }

    it("believes a list that stays short for the whole time, and not a moment before", async () => {
        const [accepted, rendered] = [section("web", 4, many(4)), section("web", 1, many(1))];
        const holds = "service:web 1 1000\n";
        assert.equal((await look(accepted, rendered, { now: 6999, holds })).result, accepted);
        const { result, events } = await look(accepted, rendered, { now: 7000, holds });
        assert.equal(result, rendered);
        assert.match(events, /^believed service:web 1 4$/m);
    });

    it("starts the time anew when the list becomes shorter, and not when it grows", async () => {
        const accepted = section("web", 10, many(10));
        const holds = "service:web 3 1000\n";
        const shorter = await look(accepted, section("web", 2, many(2)), { now: 7000, holds });
        assert.equal(shorter.holds, "service:web 2 7000\n");
        const longer = await look(accepted, section("web", 4, many(4)), { now: 6000, holds });
        assert.equal(longer.holds, "service:web 3 1000\n");
    });

    it("starts the time anew when the system's clock did", async () => {
        const accepted = section("web", 4, many(4));
        const { holds } = await look(accepted, section("web", 0, []), {
            now: 50,
            holds: "service:web 0 9000\n",
        });
        assert.equal(holds, "service:web 0 50\n");
    });

    it("holds back one service and lets the others go on", async () => {
        const accepted = `global\n${section("web", 2, ["a", "b"])}${section("api", 2, ["c", "d"])}`;
        const rendered = `global\n${section("web", 0, [])}${section("api", 3, ["c", "d", "e"])}`;
        const { result } = await look(accepted, rendered);
        assert.equal(result, `global\n${section("web", 2, ["a", "b"])}${section("api", 3, ["c", "d", "e"])}`);
    });

    it("holds back everything when the list of services is suddenly short", async () => {
        const accepted = `#guard list services known 10\n${section("web", 2, ["a", "b"])}`;
        const { code, result, holds } = await look(accepted, "#guard list services known 0\n");
        assert.equal(code, 3);
        assert.equal(result, undefined);
        assert.equal(holds, "list:services 0 10000\n");
    });

    it("refuses what has no guard lines, or an open section", async () => {
        for (const rendered of ["", "global\n", "#guard service web known 1 passing 1\nbackend web\n"]) {
            const { code, result } = await look(section("web", 1, ["a"]), rendered);
            assert.equal(code, 1, rendered);
            assert.equal(result, undefined);
        }
    });

    describe("what differs from what runs", () => {
        async function difference(running: string, accepted: string, out: string[] = []): Promise<string[]> {
            const file = (name: string, text: string): string => {
                writeFileSync(join(folder, name), text);
                return join(folder, name);
            };
            const { stdout } = await awk.run([
                ...["-f", program("haproxy-difference.awk")],
                ...["phase=old", file("old", `${running}\nglobal\n    description gatehouse-1\n`)],
                ...["phase=new", file("new", accepted)],
                ...["phase=out", file("out", out.map((each) => `${each}\n`).join(""))],
            ]);
            return stdout.trim().split("\n").sort();
        }

        it("is nothing, a server less, one more, or another frame", async () => {
            const two = section("web", 2, ["a", "b"]);
            assert.deepEqual(await difference(two, two), ["same"]);
            assert.deepEqual(await difference(two, section("web", 2, ["a"])), ["lazy", "maint web/b"]);
            assert.deepEqual(await difference(two, section("web", 2, [])), [
                "lazy",
                "maint web/a",
                "maint web/b",
            ]);
            assert.deepEqual(await difference(two, section("web", 3, ["a", "b", "c"])), ["urgent"]);
            assert.deepEqual(await difference(two, `defaults\n    retries 2\n${two}`), ["urgent"]);
        });

        it("puts a server back that was taken out, without a reload", async () => {
            const two = section("web", 2, ["a", "b"]);
            assert.deepEqual(await difference(two, two, ["web/b"]), ["ready web/b", "same"]);
            assert.deepEqual(await difference(two, section("web", 2, ["a"]), ["web/b"]), ["lazy"]);
        });

        it("leaves the old servers in while all are replaced, so that somebody answers until the reload", async () => {
            const swapped = section("web", 2, ["c", "d"]);
            assert.deepEqual(await difference(section("web", 2, ["a", "b"]), swapped), ["urgent"]);
        });
    });
}
