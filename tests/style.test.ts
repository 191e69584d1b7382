import * as assert from "node:assert/strict";
import * as path from "node:path";

import { root, run, tail } from "./support/command";

/** `make lint`, as tests, so that one closing line counts everything. */
describe("style", function () {
    this.timeout("5m");

    async function passes(tool: string, ...args: string[]): Promise<void> {
        const { code, output } = await run(path.join(root, "node_modules", ".bin", tool), args);
        assert.equal(code, 0, `${tool} ${args.join(" ")}:\n${tail(output, 100)}`);
    }

    it("has no type errors", () => passes("tsc"));
    it("has nothing that eslint reports", () => passes("eslint", "."));
    it("is formatted as prettier formats it", () =>
        passes("prettier", "--check", "--log-level", "warn", "."));
});
