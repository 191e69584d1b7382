import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import * as path from "node:path";

import { root } from "../tests/support/command";
import { renderSection, type Section } from "./report";

/** Sections by lab. */
export type Results = Record<string, Section>;

const folder = path.join(root, ".gatehouse", "bench");
const latest = path.join(folder, "latest.json");
const page = path.join(root, "docs", "benchmarks.md");

/**
 * Puts what was measured now over what was measured before, measure by measure: a run of a part leaves the others'
 * last results. Pure.
 *
 * @param order the measures of each lab, as the page lists them
 */
export function merge(before: Results, now: Results, order: Record<string, string[]>): Results {
    const labs = Object.keys(order).filter((lab) => lab in before || lab in now);
    return Object.fromEntries(
        labs.map((lab) => {
            const parts = { ...before[lab], ...now[lab] };
            const known = (order[lab] ?? []).filter((name) => name in parts);
            return [lab, Object.fromEntries(known.map((name) => [name, parts[name]]))] as [string, Section];
        }),
    );
}

/** Merges into `.gatehouse/bench/latest.json` and, if asked, writes the measured labs' tables into docs/benchmarks.md. */
export function write(now: Results, order: Record<string, string[]>, options: { docs: boolean }): string {
    mkdirSync(folder, { recursive: true });
    const all = merge(read(), now, order);
    writeFileSync(latest, JSON.stringify(all, undefined, 2) + "\n");
    const stamp = new Date().toISOString().slice(0, 16).replace(/[T:]/g, "-");
    writeFileSync(path.join(folder, `${stamp}.json`), JSON.stringify(now, undefined, 2) + "\n");
    if (options.docs) {
        const text = Object.keys(now).reduce(
            (before, lab) => replaceTable(before, lab, renderSection(all[lab] ?? {})),
            readFileSync(page, "utf8"),
        );
        writeFileSync(page, text);
    }
    return latest;
}

function read(): Results {
    if (!existsSync(latest)) {
        return {};
    }
    const found = JSON.parse(readFileSync(latest, "utf8")) as Record<string, unknown>;
    // The form before there were sections had the figures at the top.
    return "figures" in found ? {} : (found as Results);
}

/** The page with the part between a lab's two marks replaced. Pure. */
export function replaceTable(text: string, lab: string, table: string): string {
    const begin = `<!-- begin table: ${lab} -->`;
    const end = `<!-- end table: ${lab} -->`;
    const from = text.indexOf(begin);
    const to = text.indexOf(end);
    if (from < 0 || to < from) {
        throw new Error(`docs/benchmarks.md needs the lines "${begin}" and "${end}" around its table`);
    }
    return `${text.slice(0, from + begin.length)}\n\n${table}\n${text.slice(to)}`;
}
