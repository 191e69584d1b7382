import * as assert from "node:assert/strict";

import { AddressPool } from "../../support/linode/addresses";

describe("linode emulator: a range of addresses", () => {
    it("gives an address that came back to nobody before all others", () => {
        const pool = new AddressPool("198.18.0.0/29", 2);
        const [first, second] = [pool.take(), pool.take()];
        assert.deepEqual([first, second], ["198.18.0.2", "198.18.0.3"]);
        pool.release(first);
        assert.deepEqual(
            [pool.take(), pool.take(), pool.take(), pool.take()],
            ["198.18.0.4", "198.18.0.5", "198.18.0.6", first],
        );
        assert.throws(() => pool.take(), /no free address is left in 198\.18\.0\.0\/29/);
    });
});
