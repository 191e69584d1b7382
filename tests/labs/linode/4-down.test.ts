import * as assert from "node:assert/strict";

import { inventory } from "../../support/docker";
import { endRehearsal, rehearsal, rehearsedLab } from "../../support/linode-lab";

describe("linode: down", function () {
    this.timeout("5m");

    after(endRehearsal);

    it("ends with a receipt, and leaves nothing", async () => {
        const lab = await rehearsedLab();
        const { output } = await lab.must("down");
        assert.match(output, /Linode: deleted: .*6 instances/);
        assert.match(output, /Linode: left: nothing/);
        assert.match(output, /Linode: cost: about \$\d+\.\d\d at list prices/);
        assert.deepEqual(lab.inventory(), []);
    });

    it("has nothing against being asked twice", async () => {
        await (await rehearsal()).must("down");
    });

    it("the emulated platform leaves nothing on Docker", async () => {
        await endRehearsal();
        assert.deepEqual(await inventory("linode-rehearsal"), { containers: [], networks: [], volumes: [] });
    });
});
