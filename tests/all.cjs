// @ts-check
// `make test`: the stages one after the other, closed by one line that any CI can read: "N passed, N failed".
const { spawnSync } = require("node:child_process");
const { mkdtempSync, readFileSync, rmSync } = require("node:fs");
const { availableParallelism, tmpdir } = require("node:os");
const { join } = require("node:path");

const { alone, labs } = require("./stages.cjs");

/** Two even on one core: most of these tests wait for something. */
const jobs = String(Math.min(4, Math.max(2, availableParallelism())));
const folder = mkdtempSync(join(tmpdir(), "gatehouse-tests-"));
const totals = join(folder, "totals.json");
const sum = { passes: 0, failures: 0, pending: 0 };
/** @type {string[]} */
const failed = [];

for (const { files, options } of [
    { files: alone, options: ["--parallel", "--jobs", jobs] },
    { files: labs, options: [] },
]) {
    rmSync(totals, { force: true });
    const { status } = spawnSync(
        "mocha",
        ["--reporter", "tests/support/reporter.cjs", ...options, ...files],
        { stdio: "inherit", env: { ...process.env, GATEHOUSE_TEST_TOTALS: totals } },
    );
    const found = countsOf(status);
    sum.passes += found.passes;
    sum.failures += found.failures;
    sum.pending += found.pending;
    failed.push(...found.failed);
}
rmSync(folder, { recursive: true, force: true });
// Once more at the end, and then their names alone: who reads a long log reads its last page, or its last lines.
for (const [index, text] of failed.entries()) {
    console.log(`\nfailure ${index + 1} of ${failed.length}: ${text.split("\n").slice(0, 24).join("\n")}`);
}
for (const text of failed) {
    console.log(`failed: ${text.split("\n", 2).join(": ").slice(0, 300)}`);
}
const skipped = sum.pending > 0 ? `, ${sum.pending} skipped` : "";
console.log(`${sum.passes} passed, ${sum.failures} failed${skipped}`);
process.exitCode = sum.failures > 0 ? 1 : 0;

/** @param {number | null} status of Mocha: one that ended before it could count has failed. */
function countsOf(status) {
    try {
        const found = JSON.parse(readFileSync(totals, "utf8"));
        return { ...found, failures: status === 0 ? found.failures : Math.max(1, found.failures) };
    } catch {
        return {
            passes: 0,
            failures: 1,
            pending: 0,
            failed: ["a stage ended before it could count its tests"],
        };
    }
}
