import * as assert from "node:assert/strict";

import { lab } from "../../support/etcd-lab";

describe("etcd lab: down", function () {
    this.timeout("10m");

    before("bring it up", () => lab.ensureUp());
    after("remove what is left", () => lab.stack.startAfresh());

    it("leaves nothing", async () => {
        await lab.stack.must("down");
        lab.forget();
        assert.deepEqual(await lab.stack.inventory(), { containers: [], networks: [], volumes: [] });
        assert.deepEqual(lab.stack.stateFiles(), []);
    });
});
