// @ts-check
// Mocha's "spec" report, closed by one line that any CI can read: "N passed, N failed".
const { reporters } = require("mocha");

class ClosingLine extends reporters.Spec {
    /** @override */
    epilogue() {
        super.epilogue();
        const { passes = 0, failures = 0, pending = 0 } = this.stats ?? {};
        const skipped = pending > 0 ? `, ${pending} skipped` : "";
        console.log(`${passes} passed, ${failures} failed${skipped}`);
    }
}

module.exports = ClosingLine;
