import { isDeepStrictEqual } from "node:util";

/** A thing that a cluster knows. */
export interface Item {
    /** The row of the table, e.g. `Consul: keys`. */
    kind: string;
    /** Unique in its kind. Shown, so never a secret. */
    id: string;
    /** When it last changed, by what indices of snapshots count: Raft's entries, or etcd's revisions. */
    index: number;
    /** The name of what the index counts where that is something else. */
    count?: string;
    /** What has to be equal. May be secret. */
    content: unknown;
}

export interface Row {
    kind: string;
    /** How many the restored snapshot has, and how many the running cluster. */
    inSnapshot: number;
    running: number;
    equal: number;
    /** Made or changed in the running cluster after the snapshot. */
    newer: number;
    /** Only in the snapshot: removed since. */
    removed: number;
    /** In the running cluster before the snapshot was taken, and not in the snapshot. */
    missing: string[];
    /** In both, unchanged since the snapshot, and not the same. */
    different: string[];
}

/**
 * Compares what was restored with the running cluster. Everything in the running cluster that has not changed since the
 * snapshot's index has to be there and equal; nothing can be said about what changed later. Rows are in the order in
 * which kinds first appear. Pure.
 *
 * @param index the snapshot's own, by which the items' indices are to be judged
 * @param counts where the snapshot's other counts stood, for items that name one
 */
export function compare(
    restored: readonly Item[],
    running: readonly Item[],
    index: number,
    counts: Readonly<Record<string, number>> = {},
): Row[] {
    const kinds = [...new Set([...restored, ...running].map(({ kind }) => kind))];
    return kinds.map((kind) => {
        const there = new Map(restored.filter((each) => each.kind === kind).map((each) => [each.id, each]));
        const here = running.filter((each) => each.kind === kind);
        const row: Row = {
            kind,
            inSnapshot: there.size,
            running: here.length,
            equal: 0,
            newer: 0,
            removed: there.size,
            missing: [],
            different: [],
        };
        for (const item of here) {
            const other = there.get(item.id);
            row.removed -= other === undefined ? 0 : 1;
            if (other !== undefined && isDeepStrictEqual(other.content, item.content)) {
                row.equal += 1;
            } else if (item.index > (item.count === undefined ? index : (counts[item.count] ?? 0))) {
                row.newer += 1;
            } else {
                (other === undefined ? row.missing : row.different).push(item.id);
            }
        }
        return row;
    });
}

/** Whether everything that had to be in the snapshot is. */
export function complete(rows: readonly Row[]): boolean {
    return rows.every(({ missing, different }) => missing.length + different.length === 0);
}

/** The rows as a table; without `running` only what is in the snapshot. */
export function table(rows: readonly Row[], compared: boolean): string {
    const head = [
        "",
        "in snapshot",
        ...(compared ? ["running", "equal", "newer", "removed since", "missing", "different"] : []),
    ];
    const cells = rows.map((row) => [
        row.kind,
        row.inSnapshot,
        ...(compared
            ? [row.running, row.equal, row.newer, row.removed, row.missing.length, row.different.length]
            : []),
    ]);
    const all = [head, ...cells.map((line) => line.map(String))];
    const widths = head.map((_, column) => Math.max(...all.map((line) => line[column]!.length)));
    return all
        .map((line) =>
            line
                .map((text, column) =>
                    column === 0 ? text.padEnd(widths[0]!) : text.padStart(widths[column]!),
                )
                .join("  ")
                .trimEnd(),
        )
        .join("\n");
}
