import * as os from "node:os";

import { output } from "../tests/support/command";

/** One line of a table of measures. */
export interface Figure {
    /** What was measured, in the words of docs/benchmarks.md. */
    what: string;
    value: number;
    unit: "s" | "MiB" | "req/s" | "ms" | "ratio" | "requests" | "reloads" | "processes" | "%";
    /** The bound that the project sets itself. */
    target?: { atMost: number } | { atLeast: number };
    /** How many samples the value is the median (or the named quantile) of. */
    samples: number;
    /** What a reader has to know to judge the value. */
    note?: string;
}

/** A table of its own: several values for each of several things. */
export interface Matrix {
    title: string;
    head: string[];
    rows: (string | number)[][];
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

/** What one measure has found, and where and when. */
export interface Part {
    environment: Environment;
    figures: Figure[];
    matrices: Matrix[];
}

/** The measures of one lab by name, in the order of the page. */
export type Section = Record<string, Part>;

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

/** A lab's measures as Markdown, for the terminal and for docs/benchmarks.md. Pure. */
export function renderSection(section: Section): string {
    const parts = Object.entries(section);
    const figures = parts.flatMap(([, part]) => part.figures);
    const matrices = parts.flatMap(([, part]) => part.matrices);
    return [
        ...origins(parts),
        ...(figures.length === 0 ? [] : ["", ...figureTable(figures)]),
        ...matrices.flatMap((matrix) => ["", `${matrix.title}:`, "", ...table(matrix.head, matrix.rows)]),
        "",
    ].join("\n");
}

/** Where and when; parts that were measured together are told together. */
function origins(parts: [string, Part][]): string[] {
    const together = new Map<string, string[]>();
    for (const [name, { environment }] of parts) {
        const { date, commit, processor, cores, memoryGiB, kernel, docker, loadBefore } = environment;
        const text =
            `measured on ${date} UTC at ${commit}: ${cores} cores (${processor}), ${memoryGiB} GiB, ` +
            `Linux ${kernel}, Docker ${docker}; load average before the run ${loadBefore}.`;
        together.set(text, [...(together.get(text) ?? []), name]);
    }
    if (together.size === 1) {
        return [...together.keys()].map((text) => `M${text.slice(1)}`);
    }
    return [...together].map(([text, names]) => `- ${names.join(", ")}: ${text}`);
}

function figureTable(figures: Figure[]): string[] {
    const rows = figures.map((figure) => [
        figure.what,
        `${round(figure.value)} ${figure.unit === "ratio" ? "" : figure.unit}`.trim(),
        bound(figure),
        { true: "yes", false: "**no**", undefined: "" }[String(holds(figure))] ?? "",
        String(figure.samples),
        figure.note ?? "",
    ]);
    return table(["measure", "median", "aim", "kept", "n", "note"], rows);
}

function table(head: string[], rows: (string | number)[][]): string[] {
    const texts = rows.map((row) => row.map((cell) => (typeof cell === "number" ? round(cell) : cell)));
    const all = [head, ...texts];
    const widths = head.map((_, column) => Math.max(3, ...all.map((row) => (row[column] ?? "").length)));
    const line = (cells: string[]) =>
        `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
    return [line(head), line(widths.map((width) => "-".repeat(width))), ...texts.map(line)];
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
