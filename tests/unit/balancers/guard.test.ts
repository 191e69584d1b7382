import * as assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type Awk, awks, program, section } from "./awk";

interface Look {
    code: number | null;
    events: string;
    /** The configuration to use; undefined when there is none. */
    result: string | undefined;
    holds: string;
}

for (const [whose, awk] of awks) {
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

    it("believes what has nothing from the catalogue, and nothing is held back any more", async () => {
        const rendered = "#guard none\nbackend web\n";
        const { code, result, holds } = await look(section("web", 2, ["a", "b"]), rendered, {
            holds: "service:web 0 9000\n",
        });
        assert.deepEqual([code, result, holds], [0, rendered, ""]);
        const back = section("web", 1, ["a"]);
        assert.equal((await look(rendered, back)).result, back);
    });

    it("refuses what has no guard lines, or an open section", async () => {
        for (const rendered of ["", "global\n", "#guard service web known 1 passing 1\nbackend web\n"]) {
            const { code, result } = await look(section("web", 1, ["a"]), rendered);
            assert.equal(code, 1, rendered);
            assert.equal(result, undefined);
        }
    });
}
