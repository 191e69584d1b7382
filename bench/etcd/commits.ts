import { performance } from "node:perf_hooks";

import { type EtcdLab, members } from "../../tests/support/etcd-lab";
import type { Figure } from "../report";
import { quantile } from "../statistics";
import { Store } from "./store";

/** etcd's own histograms, with what they are about. */
const histograms: Record<string, string> = {
    etcd_disk_wal_fsync_duration_seconds: "etcd: a write to the log, p99",
    etcd_disk_backend_commit_duration_seconds: "etcd: a commit to the database, p99",
};

/** Counts by upper bound in seconds, as a histogram of Prometheus has them: each with all that is below. */
export type Buckets = Map<number, number>;

/**
 * How long a client waits for a write while the lab runs, and how much of that etcd's disks take. Renewed leases are written
 * nowhere: without writes there is nothing to measure.
 */
export async function measureCommits(lab: EtcdLab, writes: number): Promise<Figure[]> {
    const before = await read(lab);
    const times = await timeWrites(lab, writes);
    const after = await read(lab);
    const own = Object.entries(histograms).map(([name, what]): Figure => {
        const counts = difference(before[name]!, after[name]!);
        const samples = counts.get(Infinity) ?? 0;
        return {
            what,
            value: bucketQuantile(counts, 0.99) * 1000,
            unit: "ms",
            samples,
            note: "of all members during these writes, from etcd's own histogram",
        };
    });
    return [
        {
            what: "etcd: a client's write over TLS, p99",
            value: quantile(times, 0.99),
            unit: "ms",
            samples: times.length,
            note: `median ${quantile(times, 0.5).toFixed(1)} ms, slowest ${Math.max(...times).toFixed(1)} ms, one after the other`,
        },
        ...own,
    ];
}

async function timeWrites(lab: EtcdLab, writes: number): Promise<number[]> {
    const store = await Store.open(lab);
    const times: number[] = [];
    try {
        for (let n = 0; n < writes; n += 1) {
            const begun = performance.now();
            await store.put("/bench/write", String(n));
            times.push(performance.now() - begun);
        }
        await store.delete("/bench/write");
    } finally {
        store.close();
    }
    return times;
}

/** The histograms of all members together. */
async function read(lab: EtcdLab): Promise<Record<string, Buckets>> {
    const pages = await Promise.all(
        members.map((member) =>
            lab.on(member, "curl", "--silent", "--fail", "http://127.0.0.1:2381/metrics"),
        ),
    );
    return Object.fromEntries(
        Object.keys(histograms).map((name) => [name, sum(pages.map((page) => bucketsOf(page, name)))]),
    );
}

/** A histogram on a page of metrics. Pure. */
export function bucketsOf(page: string, name: string): Buckets {
    const lines = page.matchAll(new RegExp(`^${name}_bucket\\{le="([^"]+)"\\} (\\d+)$`, "gm"));
    return new Map(
        [...lines].map(([, bound, count]) => [bound === "+Inf" ? Infinity : Number(bound), Number(count)]),
    );
}

function sum(all: Buckets[]): Buckets {
    const total: Buckets = new Map();
    for (const each of all) {
        for (const [bound, count] of each) {
            total.set(bound, (total.get(bound) ?? 0) + count);
        }
    }
    return total;
}

/** What came between two looks. Pure. */
export function difference(before: Buckets, after: Buckets): Buckets {
    return new Map([...after].map(([bound, count]) => [bound, count - (before.get(bound) ?? 0)]));
}

/** The quantile as Prometheus computes it: evenly spread within its bucket. Pure. */
export function bucketQuantile(buckets: Buckets, share: number): number {
    const sorted = [...buckets].sort(([a], [b]) => a - b);
    const rank = share * (sorted.at(-1)?.[1] ?? 0);
    let [low, below] = [0, 0];
    for (const [bound, count] of sorted) {
        if (count >= rank && count > below) {
            return bound === Infinity ? low : low + ((bound - low) * (rank - below)) / (count - below);
        }
        [low, below] = [bound, count];
    }
    return NaN;
}
