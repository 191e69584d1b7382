import * as assert from "node:assert/strict";

import { parseConfig } from "../../config";

/** The message of the one error that these settings get. */
export function refusal(settings: Record<string, unknown>): string {
    const raw = Object.fromEntries(
        Object.entries(settings).map(([key, value]) => [
            key,
            typeof value === "string" ? value : JSON.stringify(value),
        ]),
    );
    try {
        parseConfig(raw);
    } catch (error) {
        return (error as Error).message;
    }
    throw new assert.AssertionError({ message: `accepted ${JSON.stringify(settings)}` });
}
