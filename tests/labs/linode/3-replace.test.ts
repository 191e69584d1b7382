import * as assert from "node:assert/strict";

import { requireEntrance } from "../../../rehearsal/steps";
import type { Rehearsal } from "../../../rehearsal/rehearsal";
import { rehearsedLab, stack } from "../../support/linode-lab";

describe("linode: a server that is replaced", function () {
    this.timeout("10m");

    let lab: Rehearsal;

    before("bring it up", async () => {
        lab = await rehearsedLab();
    });

    it("has its predecessor's name, and its address in the VPC", async () => {
        const all = lab.inventory();
        const id = (): number =>
            lab.emulator.inventory().find(({ label, kind }) => kind === "linode" && /server-2$/.test(label))!
                .id;
        const before = id();
        await lab.replace("linode:index/instance:Instance", "server-2");
        assert.notEqual(id(), before);
        assert.deepEqual(lab.inventory(), all);
        await lab.previewsNothing();
        await requireEntrance(lab, stack);
    });
});
