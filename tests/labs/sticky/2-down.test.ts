import * as assert from "node:assert/strict";

import { request } from "../../support/http";
import { eventually } from "../../support/poll";
import { lab } from "../../support/sticky-lab";

const nothing = { containers: [], networks: [], volumes: [] };

describe("sticky lab: down and interrupted", function () {
    this.timeout("10m");

    before("bring it up", () => lab.ensureUp());
    after("remove what is left", () => lab.stack.startAfresh());

    it("leaves nothing", async () => {
        const urls = Object.values(lab.outputs.urls);
        await lab.stack.must("down");
        lab.forget();
        assert.deepEqual(await lab.stack.inventory(), nothing);
        assert.deepEqual(lab.stack.stateFiles(), []);
        for (const url of urls) {
            await assert.rejects(request(url), /ECONNREFUSED/, `${url} still answers`);
        }
    });

    it("is finished by the next up after it was killed, and removed by down", async () => {
        lab.stack.configure();
        const up = lab.stack.start("up");
        await eventually(
            "a backend's container is there",
            async () =>
                assert.ok((await lab.stack.inventory()).containers.includes(lab.stack.object("back1"))),
            { within: 120, every: 50 },
        );
        await up.kill();
        await up.done;
        await lab.up();
        await lab.answers("back1 back2");
        await lab.stack.previewsNothing();
        await lab.stack.must("down");
        lab.forget();
        assert.deepEqual(await lab.stack.inventory(), nothing);
    });
});
