// @ts-check
// Everything that `make test` runs, in this order: what is quick and explains most comes first, and one bring-up of the
// lab serves all of its tests.
const base = require("../.mocharc.cjs");

module.exports = {
    ...base,
    spec: [
        "tests/style.test.ts",
        "tests/unit/**/*.test.ts",
        "tests/program/**/*.test.ts",
        "tests/labs/refusals.test.ts",
        "tests/labs/sticky/1-lab.test.ts",
        "tests/labs/template/1-lab.test.ts",
        "tests/browser/container-labs.test.ts",
        "tests/labs/container-labs-down.test.ts",
        "tests/labs/routed/1-lab.test.ts",
        "tests/labs/nomad/1-up.test.ts",
        "tests/labs/nomad/2-change.test.ts",
        "tests/browser/nomad.test.ts",
        "tests/labs/nomad/3-break.test.ts",
        "tests/labs/nomad/4-down.test.ts",
        "tests/labs/nomad/5-interrupted.test.ts",
    ],
    reporter: "tests/support/reporter.cjs",
};
