import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

import { output, root } from "../tests/support/command";

/** One line of the table. */
export interface Figure {
    /** What was measured, in the words of docs/benchmarks.md. */
    what: string;
    value: number;
    unit: "s" | "MiB" | "req/s" | "ms" | "ratio" | "requests";
    /** The bound that the project sets itself. */
    target?: { atMost: number } | { atLeast: number };
    /** How many samples the value is the median (or the named quantile) of. */
    samples: number;
    /** What a reader has to know to judge the value. */
    note?: string;
}

export interface Environment {
    date: string;
    commit: string;
    processor: string;
    cores: number;
    memoryGiB: number;
    kernel: string;
    docker: string;
    /** The one-minute load average before the first measure: other work that took part in it. */
    loadBefore: number;
}

export interface Results {
    environment: Environment;
    figures: Figure[];
}

export async function describeEnvironment(): Promise<Environment> {
    const [docker, commit] = await Promise.all([
        output("docker", ["version", "--format", "{{.Server.Version}}"]),
        output("git", ["rev-parse", "--short", "HEAD"]).catch(() => "unknown"),
    ]);
    return {
        date: new Date().toISOString().slice(0, 16).replace("T", " "),
        commit: commit.trim(),
        processor: os.cpus()[0]?.model ?? "unknown",
        cores: os.cpus().length,
        memoryGiB: Math.round(os.totalmem() / 2 ** 30),
        kernel: os.release(),
        docker: docker.trim(),
        loadBefore: Math.round((os.loadavg()[0] ?? 0) * 100) / 100,
    };
}

/** Whether the figure keeps to its bound; undefined where there is none. */
export function holds({ value, target }: Figure): boolean | undefined {
    if (target === undefined) {
        return undefined;
    }
    return "atMost" in target ? value <= target.atMost : value >= target.atLeast;
}

/** The results as Markdown, for the terminal and for docs/benchmarks.md. Pure. */
export function renderTable({ environment, figures }: Results): string {
    const rows = figures.map((figure) => [
        figure.what,
        `${round(figure.value)} ${figure.unit === "ratio" ? "" : figure.unit}`.trim(),
        bound(figure),
        { true: "yes", false: "**no**", undefined: "" }[String(holds(figure))] ?? "",
        String(figure.samples),
        figure.note ?? "",
    ]);
    const head = ["measure", "median", "aim", "kept", "n", "note"];
    const all = [head, ...rows];
    const widths = head.map((_, column) => Math.max(3, ...all.map((row) => (row[column] ?? "").length)));
    const line = (cells: string[]) =>
        `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
    const { date, commit, processor, cores, memoryGiB, kernel, docker, loadBefore } = environment;
    return [
        `Measured on ${date} UTC at ${commit}: ${cores} cores (${processor}), ${memoryGiB} GiB, Linux ${kernel}, ` +
            `Docker ${docker}; load average before the run ${loadBefore}.`,
        "",
        line(head),
        line(widths.map((width) => "-".repeat(width))),
        ...rows.map(line),
        "",
    ].join("\n");
}

/** Writes the figures to `.gatehouse/bench/` and, if asked, the table into docs/benchmarks.md. */
export function write(results: Results, options: { docs: boolean }): string {
    const folder = path.join(root, ".gatehouse", "bench");
    mkdirSync(folder, { recursive: true });
    const text = JSON.stringify(results, undefined, 2) + "\n";
    const file = path.join(folder, "latest.json");
    writeFileSync(file, text);
    writeFileSync(path.join(folder, `${results.environment.date.replace(/[ :]/g, "-")}.json`), text);
    if (options.docs) {
        const page = path.join(root, "docs", "benchmarks.md");
        writeFileSync(page, replaceTable(readFileSync(page, "utf8"), renderTable(results)));
    }
    return file;
}

const begin = "<!-- begin table: make bench DOCS=1 -->";
const end = "<!-- end table -->";

/** The page with the part between the two marks replaced. Pure. */
export function replaceTable(page: string, table: string): string {
    const from = page.indexOf(begin);
    const to = page.indexOf(end);
    if (from < 0 || to < from) {
        throw new Error(`docs/benchmarks.md needs the lines "${begin}" and "${end}" around its table`);
    }
    return `${page.slice(0, from + begin.length)}\n\n${table}\n${page.slice(to)}`;
}

function bound({ target, unit }: Figure): string {
    if (target === undefined) {
        return "";
    }
    const [sign, value] = "atMost" in target ? ["≤", target.atMost] : ["≥", target.atLeast];
    return `${sign} ${value} ${unit === "ratio" ? "" : unit}`.trim();
}

/** Three significant digits, or whole numbers where those are more. */
function round(value: number): string {
    return Math.abs(value) >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}
