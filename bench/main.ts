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
 * writes it to `.gatehouse/bench/latest.json`; with `--docs` to docs/benchmarks.md as well. With names of measures
 * (`npx tsx bench/main.ts memory throughput`) it does only these, on a lab that comes up once.
 */
async function main(args: string[]): Promise<void> {
    const only = args.filter((arg) => !arg.startsWith("--"));
    const chosen = measures.filter(([name]) => only.length === 0 || only.includes(name));
    const times = only.length === 0 ? repetitions : 1;
    const lab = new NomadLab("bench");
    const environment = await describeEnvironment();
    const lifecycle = new Lifecycle(lab);
    const figures: Figure[] = [];
    await lab.stack.startAfresh();
    try {
        lab.set({});
        for (let n = 1; n <= times; n += 1) {
            console.log(`up, preview and down, ${n} of ${times}`);
            await lifecycle.up();
            await lab.works(3);
            await lifecycle.preview();
            if (n === times) {
                for (const [name, measure] of chosen) {
                    console.log(`${name} …`);
                    figures.push(...(await attempt(name, () => measure(lab))));
                }
            }
            await lifecycle.down();
        }
    } finally {
        await lab.stack.startAfresh();
    }
    const results = { environment, figures: [...lifecycle.figures(), ...figures] };
    const file = write(results, { docs: args.includes("--docs") });
    console.log(`\n${renderTable(results)}\nwritten to ${file}`);
}

/** One measure that fails must not cost the others. */
async function attempt(name: string, measure: () => Promise<Figure[]>): Promise<Figure[]> {
    try {
        return await measure();
    } catch (error) {
        console.error(`${name} failed:`, error);
        process.exitCode = 1;
        return [];
    }
}

main(process.argv.slice(2)).catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
});
