import * as assert from "node:assert/strict";

import { request } from "../../support/http";
import { LinodeEmulator } from "../../support/linode/emulator";

const base = {
    region: "us-ord",
    type: "g6-nanode-1",
    image: "linode/debian12",
    root_pass: "long-enough-not-secret",
};

describe("linode emulator: how often", () => {
    it("ten instances in fifteen seconds, then it says when to come back", async () => {
        // A window of fifteen real seconds would last longer than this test.
        const emulator = new LinodeEmulator({ speed: 4 });
        await emulator.start();
        try {
            const create = () =>
                request(`${emulator.url}/v4/linode/instances`, {
                    method: "POST",
                    body: { ...base, booted: false },
                    headers: { authorization: `Bearer ${emulator.token}` },
                });
            for (let count = 0; count < 10; count += 1) {
                assert.equal((await create()).status, 200);
            }
            const answer = await create();
            assert.equal(answer.status, 429);
            const seconds = Number(answer.headers["retry-after"]);
            assert.ok(seconds >= 1 && seconds <= 60, `Retry-After: ${answer.headers["retry-after"]}`);
            assert.equal(emulator.inventory().length, 10);
        } finally {
            await emulator.stop();
        }
    });
});
