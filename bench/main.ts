import { NomadLab } from "../tests/support/nomad-lab";
import { measureDisruption } from "./disruption";
import { Lifecycle } from "./lifecycle";
import { measureMemory } from "./memory";
import { measurePropagation } from "./propagation";
import { describeEnvironment, renderTable, write, type Figure } from "./report";
import { measureThroughput } from "./throughput";

const repetitions = 3;

/** Measures of the running lab, in the order of the table. */
const measures: [string, (lab: NomadLab) => Promise<Figure[]>][] = [
    ["memory", measureMemory],
    ["throughput", measureThroughput],
    ["disruption", measureDisruption],
    ["propagation", measurePropagation],
];

/**
 * `make bench`: brings the lab up and down a few times, measures the last one while it runs, prints the table and
 * writes it to `.gatehouse/bench/latest.json`; with `--docs` to docs/benchmarks.md as well.
 */
async function main(): Promise<void> {
    const lab = new NomadLab("bench");
    const environment = await describeEnvironment();
    const lifecycle = new Lifecycle(lab);
    const figures: Figure[] = [];
    await lab.stack.startAfresh();
    try {
        lab.set({});
        for (let n = 1; n <= repetitions; n += 1) {
            console.log(`up, preview and down, ${n} of ${repetitions}`);
            await lifecycle.up();
            await lab.works(3);
            await lifecycle.preview();
            if (n === repetitions) {
                for (const [name, measure] of measures) {
                    console.log(`${name} …`);
                    figures.push(...(await measure(lab)));
                }
            }
            await lifecycle.down();
        }
    } finally {
        await lab.stack.startAfresh();
    }
    const results = { environment, figures: [...lifecycle.figures(), ...figures] };
    const file = write(results, { docs: process.argv.includes("--docs") });
    console.log(`\n${renderTable(results)}\nwritten to ${file}`);
}

main().catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
});
