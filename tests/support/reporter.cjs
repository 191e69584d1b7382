// @ts-check
// Mocha's "spec" report. Where $GATEHOUSE_TEST_TOTALS names a file, the counts go there, for tests/all.cjs to add up,
// with what failed.
const { writeFileSync } = require("node:fs");

const { reporters } = require("mocha");

class Counting extends reporters.Spec {
    /** @override */
    epilogue() {
        super.epilogue();
        const { passes = 0, failures = 0, pending = 0 } = this.stats ?? {};
        const failed = this.failures.map(
            (test) => `${test.fullTitle()}\n${test.err?.stack ?? test.err?.message ?? ""}`,
        );
        const file = process.env["GATEHOUSE_TEST_TOTALS"];
        if (file !== undefined) {
            writeFileSync(file, JSON.stringify({ passes, failures, pending, failed }));
        }
    }
}

module.exports = Counting;
