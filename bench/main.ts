import { discovery } from "./discovery";
import { etcd } from "./etcd";
import { linode } from "./linode";
import { nomad } from "./nomad";
import { carryOut, partsOf, type Parts, type Plan } from "./plan";
import { renderSection } from "./report";
import { routed } from "./routed";
import { sticky } from "./sticky";
import { template } from "./template";
import { merge, write } from "./results";

/** What is measured, in the order of docs/benchmarks.md. */
const plans: Record<string, Plan | Parts> = {
    nomad: nomad as unknown as Plan,
    discovery,
    sticky: sticky as unknown as Plan,
    template: template as unknown as Plan,
    routed: routed as unknown as Plan,
    etcd: etcd as unknown as Plan,
    linode: linode as unknown as Plan,
};

/**
 * `make bench`: measures every lab, prints the tables and merges them into `.gatehouse/bench/latest.json`; with
 * `--docs` into docs/benchmarks.md as well. With names it does only these: a lab (`npx tsx bench/main.ts sticky`) or
 * parts of labs (`npx tsx bench/main.ts nomad sticky.reloads`). `--short` only shows that it works, and writes nothing.
 */
async function main(args: string[]): Promise<void> {
    const names = args.filter((arg) => !arg.startsWith("--"));
    const short = args.includes("--short");
    const order = Object.fromEntries(Object.entries(plans).map(([lab, plan]) => [lab, partsOf(plan)]));
    for (const [lab, parts] of Object.entries(choose(order, names))) {
        const found = await carryOut(lab, plans[lab] as Plan | Parts, parts, { short });
        const results = merge({}, { [lab]: found }, order);
        console.log(`\n${renderSection(results[lab] ?? {})}`);
        if (!short) {
            console.log(`${lab}: written to ${write(results, order, { docs: args.includes("--docs") })}\n`);
        }
    }
}

/** The parts of each lab that the names ask for; all of them without names. Errors name what there is. */
function choose(order: Record<string, string[]>, names: string[]): Record<string, string[]> {
    const known = Object.entries(order).flatMap(([lab, parts]) => [
        lab,
        ...parts.map((part) => `${lab}.${part}`),
    ]);
    const unknown = names.filter((name) => !known.includes(name));
    if (unknown.length > 0) {
        throw new Error(`nothing is called ${unknown.join(", ")}; there are ${known.join(", ")}`);
    }
    const wanted = (lab: string, part: string) =>
        names.length === 0 || names.includes(lab) || names.includes(`${lab}.${part}`);
    return Object.fromEntries(
        Object.entries(order)
            .map(([lab, parts]) => [lab, parts.filter((part) => wanted(lab, part))] as const)
            .filter(([, parts]) => parts.length > 0),
    );
}

main(process.argv.slice(2)).catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
});
