import * as assert from "node:assert/strict";

import type { Lab } from "./lab";

/** Takes a lab down; nothing of it is left on the engine or in the checkout. */
export async function leavesNothing(lab: Lab): Promise<void> {
    await lab.stack.must("down");
    lab.forget();
    assert.deepEqual(await lab.stack.inventory(), { containers: [], networks: [], volumes: [] });
    assert.deepEqual(lab.stack.stateFiles(), []);
}
