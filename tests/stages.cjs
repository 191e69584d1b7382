// @ts-check
// Everything that `make test` runs, in this order: what is quick and explains most comes first. The files of the first
// stage have nothing to do with each other and run side by side; those of the second share labs, each brought up once.
module.exports = {
    alone: ["tests/style.test.ts", "tests/unit/**/*.test.ts", "tests/program/**/*.test.ts"],
    labs: [
        "tests/labs/refusals.test.ts",
        "tests/labs/sticky/1-lab.test.ts",
        "tests/labs/template/1-lab.test.ts",
        "tests/browser/container-labs.test.ts",
        "tests/labs/container-labs-down.test.ts",
        "tests/labs/routed/1-up.test.ts",
        "tests/labs/routed/2-secure.test.ts",
        "tests/labs/routed/3-hardened.test.ts",
        "tests/labs/routed/4-routing.test.ts",
        "tests/browser/routed.test.ts",
        "tests/labs/routed/5-change.test.ts",
        "tests/labs/routed/6-replace.test.ts",
        "tests/labs/routed/7-recover.test.ts",
        "tests/labs/routed/8-down.test.ts",
        "tests/labs/nomad/1-up.test.ts",
        "tests/labs/nomad/2-change.test.ts",
        "tests/browser/nomad.test.ts",
        "tests/labs/nomad/3-break.test.ts",
        "tests/labs/nomad/4-down.test.ts",
        "tests/labs/nomad/5-interrupted.test.ts",
        "tests/labs/linode/1-up.test.ts",
        "tests/labs/linode/2-firewall.test.ts",
        "tests/labs/linode/3-replace.test.ts",
        "tests/labs/linode/4-down.test.ts",
    ],
};
