import * as assert from "node:assert/strict";

import { cachedImages } from "../../support/docker";
import { request } from "../../support/http";
import { lab } from "../../support/nomad-lab";
import { leavesNothing } from "../../support/nothing-left";

describe("nomad lab: down", function () {
    this.timeout("5m");

    before("bring it up", () => lab.ensureUp());

    it("leaves nothing but the caches", async () => {
        const urls = Object.values(lab.outputs.urls);
        const images = await cachedImages();

        await leavesNothing(lab);
        for (const url of urls) {
            await assert.rejects(request(url), /ECONNREFUSED/, `${url} still answers`);
        }
        assert.deepEqual(await cachedImages(), images, "the base images stay for the next up");
    });

    it("has nothing against being asked twice", () => lab.stack.must("down"));
});
