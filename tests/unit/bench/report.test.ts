import * as assert from "node:assert/strict";

import { holds, renderSection, type Environment, type Figure, type Part } from "../../../bench/report";
import { merge, replaceTable } from "../../../bench/results";

const environment: Environment = {
    date: "2026-11-21 12:00",
    commit: "abc1234",
    processor: "Some Processor",
    cores: 2,
    memoryGiB: 24,
    kernel: "6.1.0",
    docker: "20.10.24",
    loadBefore: 0.1,
};
const later = { ...environment, date: "2026-11-22 08:00", commit: "def5678" };

function part(what: string, where = environment): Part {
    return { environment: where, figures: [{ what, value: 1, unit: "s", samples: 1 }], matrices: [] };
}

describe("bench: report", () => {
    it("says of each figure whether it keeps to its bound", () => {
        const figure: Figure = { what: "up", value: 40, unit: "s", samples: 3 };
        assert.equal(holds(figure), undefined);
        assert.equal(holds({ ...figure, target: { atMost: 40 } }), true);
        assert.equal(holds({ ...figure, target: { atMost: 39.9 } }), false);
        assert.equal(holds({ ...figure, target: { atLeast: 40.1 } }), false);
        // What could not be measured has not been kept.
        assert.equal(holds({ ...figure, value: NaN, target: { atMost: 40 } }), false);
        assert.equal(holds({ ...figure, value: NaN, target: { atLeast: 1 } }), false);
    });

    it("renders Markdown tables whose rows all have the same columns", () => {
        const table = renderSection({
            lifecycle: {
                environment,
                figures: [
                    {
                        what: "`make up`",
                        value: 31.256,
                        unit: "s",
                        target: { atMost: 40 },
                        samples: 3,
                        note: "30, 31, 33",
                    },
                    { what: "ratio", value: 0.912, unit: "ratio", target: { atLeast: 0.95 }, samples: 7 },
                    { what: "requests per second", value: 4321.7, unit: "req/s", samples: 7 },
                ],
                matrices: [{ title: "Peers", head: ["proxy", "req/s"], rows: [["nginx", 41234.5]] }],
            },
        });
        const [figures, matrix] = table.split("Peers:");
        for (const [text, count] of [[figures, 5] as const, [matrix, 3] as const]) {
            const rows = (text ?? "").split("\n").filter((line) => line.startsWith("|"));
            assert.equal(rows.length, count, table);
            assert.equal(new Set(rows.map((row) => row.length)).size, 1, table);
        }
        assert.match(table, /31\.3 s +\| ≤ 40 s +\| yes/);
        assert.match(table, /0\.912 +\| ≥ 0\.95 +\| \*\*no\*\*/);
        assert.match(table, /4322 req\/s/);
        assert.match(table, /\| nginx \| 41235 \|/);
        assert.match(table, /^Measured on 2026-11-21 12:00 UTC at abc1234: 2 cores/);
    });

    it("says of parts that were measured at different times when each was", () => {
        const table = renderSection({ memory: part("a"), reloads: part("b", later), lifecycle: part("c") });
        assert.match(table, /^- memory, lifecycle: measured on 2026-11-21 12:00 UTC at abc1234/m);
        assert.match(table, /^- reloads: measured on 2026-11-22 08:00 UTC at def5678/m);
    });
});

describe("bench: results", () => {
    const order = { nomad: ["lifecycle", "memory"], sticky: ["lifecycle", "reloads"] };

    it("replaces what was measured anew and leaves the rest", () => {
        const before = {
            nomad: { lifecycle: part("old"), memory: part("old") },
            sticky: { lifecycle: part("old") },
        };
        const now = { sticky: { reloads: part("new", later) } };
        assert.deepEqual(merge(before, now, order), {
            nomad: before.nomad,
            sticky: { lifecycle: part("old"), reloads: part("new", later) },
        });
        assert.deepEqual(merge(before, { nomad: { memory: part("new") } }, order)["nomad"], {
            lifecycle: part("old"),
            memory: part("new"),
        });
    });

    it("keeps the page's order and forgets measures that are no more", () => {
        const merged = merge(
            { nomad: { memory: part("a"), gone: part("b") } },
            { nomad: { lifecycle: part("c") } },
            order,
        );
        assert.deepEqual(Object.keys(merged), ["nomad"]);
        assert.deepEqual(Object.keys(merged["nomad"] ?? {}), ["lifecycle", "memory"]);
    });

    it("replaces only the lab's own table of the page, however often", () => {
        const marks = (lab: string) =>
            `<!-- begin table: ${lab} -->\nold ${lab}\n<!-- end table: ${lab} -->\n`;
        const page = `# Figures\n\n${marks("nomad")}\nBetween.\n\n${marks("sticky")}\nAfter.\n`;
        const once = replaceTable(page, "sticky", "| new |\n");
        assert.ok(once.includes(marks("nomad")));
        assert.match(
            once,
            /<!-- begin table: sticky -->\n\n\| new \|\n\n<!-- end table: sticky -->\n\nAfter\.\n$/,
        );
        assert.equal(replaceTable(once, "sticky", "| new |\n"), once);
        assert.throws(() => replaceTable("# no marks", "sticky", "x"), /needs the lines/);
    });
});
