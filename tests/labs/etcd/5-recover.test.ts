import * as assert from "node:assert/strict";

import { lab } from "../../support/etcd-lab";

describe("etcd lab: what its snapshots are worth", function () {
    this.timeout("10m");

    before("bring it up", () => lab.ensureUp());

    it("is known from them: a restore has all of it", async () => {
        await lab.etcdctl(["put", "/kept", "before"]);
        const { output } = await lab.stack.must("snapshot");
        assert.match(output, /etcd: index \d+, kept by etcd-\d/);
        await lab.etcdctl(["put", "/newer", "after"]);
        const restored = await lab.stack.must("restore");
        assert.match(restored.output, /all that the running cluster knew .* is there after a restore/);
        const rows = restored.output.split("\n").filter((each) => /^etcd: \w+( +\d+){7}$/.test(each));
        assert.ok(rows.length >= 3, restored.output);
        for (const row of rows) {
            assert.match(row, / 0 +0$/, row);
        }
        await lab.etcdctl(["del", "/kept"]);
        await lab.etcdctl(["del", "/newer"]);
    });
});
