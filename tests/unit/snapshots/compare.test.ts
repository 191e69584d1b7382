import * as assert from "node:assert/strict";

import { compare, complete, type Item, table } from "../../../snapshots/compare";
import { newest, overdue, parseName, secondsOf, stampOf, superfluous } from "../../../snapshots/names";

const item = (id: string, index: number, content: unknown = "same"): Item => ({
    kind: "keys",
    id,
    index,
    content,
});

describe("the comparison of a restored snapshot with the running cluster", () => {
    const index = 100;
    for (const [what, restored, running, expected] of [
        ["nothing changed", [item("a", 5)], [item("a", 5)], { equal: 1 }],
        ["changed since", [item("a", 5)], [item("a", 101, "new")], { newer: 1 }],
        ["made since", [], [item("a", 101)], { newer: 1 }],
        ["written since with the same content", [item("a", 5)], [item("a", 101)], { equal: 1 }],
        ["removed since", [item("a", 5)], [], { removed: 1 }],
        ["in the very last entry of the snapshot", [item("a", 100)], [item("a", 100)], { equal: 1 }],
        ["lost", [], [item("a", 100)], { missing: ["a"] }],
        ["damaged", [item("a", 5, "x")], [item("a", 5, "y")], { different: ["a"] }],
        [
            "everything at once",
            [item("a", 1), item("b", 2), item("d", 3), item("e", 4, "x")],
            [item("a", 1), item("b", 200, "new"), item("c", 7), item("e", 4, "y")],
            { equal: 1, newer: 1, removed: 1, missing: ["c"], different: ["e"] },
        ],
    ] as const) {
        it(`tells: ${what}`, () => {
            const [row] = compare(restored, running, index);
            const nothing = { equal: 0, newer: 0, removed: 0, missing: [], different: [] };
            assert.deepEqual(row, {
                kind: "keys",
                inSnapshot: restored.length,
                running: running.length,
                ...nothing,
                ...expected,
            });
            assert.equal(complete([row]), !("missing" in expected) && !("different" in expected));
        });
    }

    it("keeps kinds apart", () => {
        const other = { ...item("a", 5), kind: "tokens" };
        const rows = compare([item("a", 5)], [other], index);
        assert.deepEqual(
            rows.map(({ kind, missing, removed }) => [kind, missing, removed]),
            [
                ["keys", [], 1],
                ["tokens", ["a"], 0],
            ],
        );
    });

    it("is shown as a table, with no more than the snapshot's column where nothing is compared", () => {
        const rows = compare([item("a", 5), item("b", 5)], [item("a", 5), item("c", 6)], index);
        assert.equal(
            table(rows, true),
            [
                "      in snapshot  running  equal  newer  removed since  missing  different",
                "keys            2        2      1      0              1        1          0",
            ].join("\n"),
        );
        assert.equal(table(rows, false), "      in snapshot\nkeys            2");
    });
});

describe("snapshots' names", () => {
    const names = [
        "20261121T192400Z-consul-17-server-2.cms",
        "20261121T192400Z-nomad-9-server-3.cms",
        "20261121T202400Z-consul-30-server-3.cms",
        "20261120T192400Z-consul-3-server-2.cms",
    ];
    const snapshots = names.map((name) => parseName(name)!);

    it("say when, of what, up to which entry, and by whom", () => {
        assert.deepEqual(snapshots[0], {
            name: names[0],
            stamp: "20261121T192400Z",
            source: "consul",
            index: 17,
            node: "server-2",
        });
        for (const other of [
            "status.json",
            ".draft-x",
            "x.cms",
            "20261121T192400Z-consul-x-server-2.cms",
            "",
        ]) {
            assert.equal(parseName(other), undefined, other);
        }
    });

    it("tell which is the newest, of all or up to a moment", () => {
        assert.equal(newest(snapshots, "consul")?.index, 30);
        assert.equal(newest(snapshots, "consul", "20261121T202359Z")?.index, 17);
        assert.equal(newest(snapshots, "consul", "20261121T202400Z")?.index, 30);
        assert.equal(newest(snapshots, "consul", "20200101T000000Z"), undefined);
        assert.equal(newest(snapshots, "etcd"), undefined);
    });

    it("tell which are too many, source by source", () => {
        assert.deepEqual(superfluous(snapshots, 1), [names[0], names[3]]);
        assert.deepEqual(superfluous(snapshots, 2), [names[3]]);
        assert.deepEqual(superfluous(snapshots, 3), []);
    });

    it("are as old as they say", () => {
        const moment = new Date("2026-11-21T19:24:00.500Z");
        assert.equal(stampOf(moment), "20261121T192400Z");
        assert.equal(secondsOf("20261121T192400Z"), Math.floor(moment.getTime() / 1000));
    });

    it("tell which source is overdue", () => {
        const at = (stamp: string) => overdue(snapshots, ["consul", "nomad", "etcd"], secondsOf(stamp), 3600);
        assert.deepEqual(at("20261121T203000Z"), []);
        assert.deepEqual(at("20261121T212900Z"), []);
        assert.deepEqual(at("20261121T213000Z"), [
            "nomad: the newest snapshot is 2 h old, but there ought to be one every 60 min",
        ]);
        assert.equal(at("20261123T000000Z").length, 2);
    });
});
