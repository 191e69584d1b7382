import * as assert from "node:assert/strict";
import { spawnSync } from "node:child_process";

import { parse } from "yaml";

import { drills } from "../../../drills/events";
import { withRotation } from "../../../drills/events/planned";
import { merge } from "../../../drills/page";
import { broken, type Measured, renderNotes, renderTable } from "../../../drills/report";
import * as scripts from "../../../drills/scripts";

const drill = { name: "some", title: "something happens", what: "This happens.", planned: false };
const measured: Measured = {
    drill,
    outside: { requests: 1000, failed: 3, why: "3 × status 503" },
    inside: { requests: 500, failed: 0, why: "" },
    longest: 0.44,
    leader: { consul: 10, nomad: 0.2 },
    health: 60,
    missing: [],
    written: 700,
    lost: 0,
};

describe("drills: report", () => {
    it("keeps every promise at its bound, and breaks it beyond", () => {
        assert.deepEqual(broken(measured), []);
        const reasons = (change: Partial<Measured>): string => broken({ ...measured, ...change }).join("\n");
        assert.match(
            reasons({ leader: { consul: 10.1, nomad: 1 } }),
            /consul acknowledged nothing for 10\.1 s/,
        );
        assert.match(reasons({ leader: { consul: 1, nomad: NaN } }), /nomad/);
        assert.match(reasons({ health: 60.1 }), /healthy after 60\.1 s/);
        assert.match(reasons({ health: undefined, missing: ["a leader"] }), /not healthy again: a leader/);
        assert.match(reasons({ lost: 1 }), /1 acknowledged/);
        assert.match(reasons({ drill: { ...drill, planned: true } }), /3 requests failed in a planned event/);
        assert.match(reasons({ outside: { requests: 0, failed: 0, why: "" } }), /no request/);
    });

    it("renders a table whose rows all have the same columns, and says why requests failed", () => {
        const all = [measured, { ...measured, health: undefined, lost: 2, longest: 0 }];
        const lines = renderTable(all).split("\n");
        assert.equal(lines.length, 4);
        assert.deepEqual(new Set(lines.map((line) => line.length)).size, 1, lines.join("\n"));
        assert.match(lines[2]!, /\| 3 of 1000 +\| 0 of 500 .*\| 0\.4 s .*\| 60\.0 s .*\| 0 of 700 +\| yes/);
        assert.match(lines[3]!, /\| never .*\| 2 of 700 +\| \*\*no\*\*/);
        assert.match(renderNotes(all), /\(`some`\): This happens\. From outside: 3 × status 503\./);
    });

    it("keeps what was measured before of drills that were left out now", () => {
        const other = { ...drill, name: "other" };
        const before = [
            { ...measured, drill: other },
            { ...measured, drill: { ...drill, what: "Old." }, lost: 7 },
        ];
        assert.deepEqual(merge([drill, other], before, [measured]), [
            measured,
            { ...measured, drill: other },
        ]);
        assert.deepEqual(merge([drill], before, []), [{ ...measured, lost: 7 }]);
    });

    it("has every drill once, with a name to choose it by", () => {
        const names = drills.map(({ name }) => name);
        assert.equal(new Set(names).size, names.length);
        assert.equal(names.length, 12);
        assert.ok(names.every((name) => /^[a-z-]{1,16}$/.test(name)));
    });

    it("raises the certificates' rotation in a stack file and leaves the rest, comments too", () => {
        const text = "# mine\nconfig:\n  gatehouse:lab: routed # the lab\n";
        assert.equal(withRotation(text, 2), `${text}  gatehouse:certificates:\n    rotation: 2\n`);
        const again = withRotation(
            "config:\n  gatehouse:certificates: { lifetimeDays: 90, rotation: 4 }\n",
            5,
        );
        assert.deepEqual(parse(again), {
            config: { "gatehouse:certificates": { lifetimeDays: 90, rotation: 5 } },
        });
    });

    it("has scripts that a shell can read", () => {
        for (const [name, script] of Object.entries(scripts)) {
            const { status, stderr } = spawnSync("bash", ["-n"], { input: script, encoding: "utf8" });
            assert.equal(status, 0, `${name}: ${stderr}`);
        }
    });
});
