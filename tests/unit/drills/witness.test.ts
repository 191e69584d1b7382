import * as assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";

import { Ledger } from "../../../drills/ledger";
import type { Machines } from "../../../drills/machines";
import { Witness } from "../../../drills/witness";
import { output } from "../../support/command";
import { eventually } from "../../support/poll";

describe("a drill's witness", () => {
    it("goes on when the engine speaks in its place, and hears what comes after", async () => {
        const lines = [
            "cannot exec in a stopped state: unknown",
            '{"kind": "ready"}',
            '{"kind": "consul", "key": "drill/1", "ms": 5}',
        ];
        // A machine that says this much and waits.
        const program = `${lines.map((line) => `echo '${line}'`).join("\n")}\nread -r settings; cat > /dev/null`;
        const machines = { converse: () => spawn("sh", ["-c", program]) } as unknown as Machines;
        const witness = new Witness(machines, "server-1", {
            host: "helloworld.service",
            consul: { token: "" },
            nomad: { token: "", ca: "" },
            every: { consul: 1, nomad: 1, http: 1 },
            seconds: 30,
        });
        const ledger = new Ledger();
        witness.start();
        witness.begin("drill", ledger);
        try {
            await eventually("a write is noted", () => assert.equal(ledger.writes.length, 1));
            assert.equal(ledger.writes[0]?.key, "drill/1");
        } finally {
            witness.close();
        }
    });

    it("does not believe an agent that says 200 for a write that no server has seen", async () => {
        const answers = {
            // What Nomad 1.10.5 answers on a client that is being shut down.
            nobody: "null",
            server: JSON.stringify({ Path: "drill/1", ModifyIndex: 7, Items: { value: "drill/1" } }),
            other: JSON.stringify({ Path: "drill/2", ModifyIndex: 7, Items: {} }),
        };
        const questions = Object.entries(answers).map(
            ([name, body]) => `${name}=written(${JSON.stringify(body)}, "drill/1")`,
        );
        const text = readFileSync("drills/witness.py", "utf8");
        const start = text.indexOf("def written(");
        const program = text.slice(start, text.indexOf("\n\n\n", start));
        assert.ok(start > 0 && program.includes("return"));
        const said = await output("python3", ["-"], {
            input: `import json\n${program}\nprint(json.dumps(dict(${questions.join(", ")})))\n`,
        });
        assert.deepEqual(JSON.parse(said), { nobody: false, server: true, other: false });
    });
});
