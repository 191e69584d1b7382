import * as assert from "node:assert/strict";

import { bucketQuantile, bucketsOf, difference } from "../../../bench/etcd/commits";

const page = (counts: number[]) =>
    ["0.001", "0.002", "0.004", "+Inf"]
        .map((bound, index) => `etcd_x_seconds_bucket{le="${bound}"} ${counts[index]}`)
        .concat("etcd_x_seconds_sum 1", 'etcd_xx_seconds_bucket{le="0.001"} 7')
        .join("\n");

describe("the benchmark of etcd's disks", () => {
    it("computes a quantile of what came between two looks, as Prometheus does", () => {
        const before = bucketsOf(page([100, 100, 100, 100]), "etcd_x_seconds");
        const after = bucketsOf(page([150, 190, 200, 200]), "etcd_x_seconds");
        const counts = difference(before, after);
        assert.deepEqual([...counts.values()], [50, 90, 100, 100]);
        assert.equal(bucketQuantile(counts, 0.5), 0.001);
        assert.equal(bucketQuantile(counts, 0.7), 0.0015);
        assert.equal(bucketQuantile(counts, 0.99).toFixed(6), "0.003800");
    });

    it("says no more than the last bound for what is beyond it, and nothing for nothing", () => {
        const counts = bucketsOf(page([0, 0, 0, 10]), "etcd_x_seconds");
        assert.equal(bucketQuantile(counts, 0.5), 0.004);
        assert.ok(Number.isNaN(bucketQuantile(bucketsOf(page([0, 0, 0, 0]), "etcd_x_seconds"), 0.5)));
    });
});
