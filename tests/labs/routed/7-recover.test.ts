import * as assert from "node:assert/strict";

import { lab } from "../../support/routed-lab";

describe("routed lab: what may happen to a cluster", function () {
    this.timeout("20m");

    before("bring it up", () => lab.ensureUp());

    it("is known from its snapshots: a restore has all of it", async () => {
        const { output } = await lab.stack.must("snapshot");
        for (const source of ["consul", "nomad"]) {
            assert.match(output, new RegExp(`${source}: index \\d+, kept by server-\\d`));
        }
        const restored = await lab.stack.must("restore");
        assert.match(restored.output, /all that the running cluster knew .* is there after a restore/);
        const rows = restored.output.split("\n").filter((each) => /^(Consul|Nomad): .*\d$/.test(each));
        assert.ok(rows.length > 10, restored.output);
        for (const row of rows) {
            assert.match(row, / 0 +0$/, row);
        }
    });

    it("keeps its promises when a leader is killed and when a server is cut off", async () => {
        const { output } = await lab.stack.must("drill", ["ONLY=consul-leader partition"]);
        assert.equal(output.match(/\| yes +\|/g)?.length, 2, output);
    });
});
