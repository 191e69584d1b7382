import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

import { replaceTable } from "../bench/results";
import { root } from "../tests/support/command";
import { stateDirectory } from "../toolchain/paths";
import { type Measured, renderNotes, renderTable } from "./report";

const page = path.join(root, "docs", "drills.md");
const latest = path.join(stateDirectory, "drills", "latest.json");

/** Where the table was measured, in a sentence, and how busy it was with other work: to be called before the drills. */
export function where(servers: number, clients: number): string {
    const memory = Math.round(os.totalmem() / 2 ** 30);
    return (
        `Measured with ${servers} servers and ${clients} clients as containers of one computer with ` +
        `${os.cpus().length} cores (${os.cpus()[0]?.model ?? "unknown"}), ${memory} GiB and Linux ${os.release()}; load average before the drills ${os.loadavg()[0]?.toFixed(1)}.`
    );
}

/**
 * Puts what was measured now over what was measured before, drill by drill, in the order of the drills; their texts are
 * today's. Pure.
 */
export function merge(
    order: readonly Measured["drill"][],
    before: readonly Measured[],
    now: readonly Measured[],
): Measured[] {
    return order.flatMap((drill) => {
        const of = (all: readonly Measured[]) => all.find((each) => each.drill.name === drill.name);
        const found = of(now) ?? of(before);
        return found === undefined ? [] : [{ ...found, drill }];
    });
}

/** Writes what was measured, and of the other drills what was measured last, into docs/drills.md. */
export function writePage(
    order: readonly Measured["drill"][],
    now: readonly Measured[],
    measured: string,
): string {
    const before = existsSync(latest) ? (JSON.parse(readFileSync(latest, "utf8")) as Measured[]) : [];
    const all = merge(order, before, now);
    mkdirSync(path.dirname(latest), { recursive: true });
    writeFileSync(latest, JSON.stringify(all, undefined, 2) + "\n");
    const text = [measured, "", renderTable(all), "", renderNotes(all), ""].join("\n");
    writeFileSync(page, replaceTable(readFileSync(page, "utf8"), "drills", text));
    return path.relative(root, page);
}
