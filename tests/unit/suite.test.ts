import * as assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import * as path from "node:path";

import { root } from "../support/command";

describe("the suite", () => {
    it("has every test file in what make test runs", () => {
        // eslint-disable-next-line @typescript-eslint/no-require-imports -- it is CommonJS
        const { alone, labs } = require("../stages.cjs") as Record<"alone" | "labs", string[]>;
        const listed = (file: string) =>
            [...alone, ...labs].some((pattern) => {
                const [folder, rest] = pattern.split("**/*");
                return rest === undefined
                    ? pattern === file
                    : file.startsWith(folder ?? "") && file.endsWith(rest);
            });
        const files = readdirSync(path.join(root, "tests"), { recursive: true, encoding: "utf8" })
            .filter((file) => file.endsWith(".test.ts"))
            .map((file) => path.posix.join("tests", file));
        assert.ok(files.length > 10, "the search finds the test files");
        assert.deepEqual(
            files.filter((file) => !listed(file)),
            [],
        );
    });
});
