/** A snapshot by its file's name, which a server has given it (components/clusters/files/snapshot.py). */
export interface SnapshotName {
    name: string;
    /** When it was taken, by the server's clock, e.g. `20261121T192400Z`: texts in the order of time. */
    stamp: string;
    /** What it is of: `consul`, `nomad`. */
    source: string;
    /** Raft's index of its last entry. */
    index: number;
    /** The server that has kept it. */
    node: string;
}

const pattern = /^(\d{8}T\d{6}Z)-([a-z]+)-(\d+)-([a-z0-9-]+)\.cms$/;

/** Undefined for a file that is no snapshot. */
export function parseName(name: string): SnapshotName | undefined {
    const [, stamp, source, index, node] = pattern.exec(name) ?? [];
    return stamp === undefined
        ? undefined
        : { name, stamp, source: source!, index: Number(index), node: node! };
}

/** The newest of a source that is not younger than `from`, if that is given. */
export function newest<Each extends SnapshotName>(
    snapshots: readonly Each[],
    source: string,
    from?: string,
): Each | undefined {
    return snapshots
        .filter((each) => each.source === source && (from === undefined || each.stamp <= from))
        .reduce<Each | undefined>(
            (best, each) => (best && !(each.stamp > best.stamp) ? best : each),
            undefined,
        );
}

/** Names beyond the `keep` newest of each source. */
export function superfluous(snapshots: readonly SnapshotName[], keep: number): string[] {
    const sources = [...new Set(snapshots.map(({ source }) => source))];
    return sources.flatMap((source) =>
        snapshots
            .filter((each) => each.source === source)
            .sort((a, b) => (a.stamp < b.stamp ? 1 : a.stamp > b.stamp ? -1 : 0))
            .slice(keep)
            .map(({ name }) => name),
    );
}

/** Seconds since 1970 of a stamp. */
export function secondsOf(stamp: string): number {
    const iso = stamp.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z");
    return Date.parse(iso) / 1000;
}

/** A stamp of a moment. */
export function stampOf(moment: Date): string {
    return moment.toISOString().replace(/[-:]|\.\d+/g, "");
}

/**
 * Complaints about sources whose newest snapshot is older than the schedule lets it get. A source without any is none:
 * it may be too early.
 *
 * @param now seconds since 1970, by the clock that the names are of
 */
export function overdue(
    snapshots: readonly SnapshotName[],
    sources: readonly string[],
    now: number,
    interval: number,
): string[] {
    return sources.flatMap((source) => {
        const last = newest(snapshots, source);
        const age = last && now - secondsOf(last.stamp);
        return age !== undefined && age > patience(interval)
            ? [
                  `${source}: the newest snapshot is ${spanOf(age)} old, but there ought to be one every ${spanOf(interval)}`,
              ]
            : [];
    });
}

/** How old a schedule lets the newest snapshot get, in seconds: one turn may fail, and one may take its time. */
function patience(interval: number): number {
    return 2 * interval + 300;
}

/** A span of time as people say it. */
function spanOf(seconds: number): string {
    const [amount, unit] =
        seconds < 120
            ? [seconds, "s"]
            : seconds < 7200
              ? [seconds / 60, "min"]
              : seconds < 172_800
                ? [seconds / 3600, "h"]
                : [seconds / 86_400, "days"];
    return `${Math.round(amount)} ${unit}`;
}
