import * as assert from "node:assert/strict";

import * as fc from "fast-check";

import { median, quantile } from "../../../bench/statistics";

const samples = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 50 });

describe("bench: statistics", () => {
    it("takes the middle, or the mean of the two in the middle", () => {
        assert.equal(median([3, 1, 2]), 2);
        assert.equal(median([4, 1, 3, 2]), 2.5);
        assert.ok(Number.isNaN(median([])));
    });

    it("takes quantiles by the nearest rank", () => {
        const hundred = Array.from({ length: 100 }, (_, n) => n + 1);
        assert.equal(quantile(hundred, 0.99), 99);
        assert.equal(quantile(hundred, 0.5), 50);
        assert.equal(quantile(hundred, 1), 100);
        assert.equal(quantile([7], 0.99), 7);
    });

    it("gives a sample, at or above which no more than the rest lie", () => {
        fc.assert(
            fc.property(samples, fc.double({ min: 0.01, max: 1, noNaN: true }), (values, share) => {
                const value = quantile(values, share);
                assert.ok(values.includes(value));
                assert.ok(values.filter((each) => each <= value).length >= share * values.length - 1e-9);
                assert.ok(values.filter((each) => each < value).length < share * values.length + 1e-9);
            }),
        );
    });

    it("does not depend on the order of the samples, and does not change it", () => {
        fc.assert(
            fc.property(samples, (values) => {
                const before = [...values];
                const backwards = [...values].reverse();
                assert.equal(median(values), median(backwards));
                assert.equal(quantile(values, 0.9), quantile(backwards, 0.9));
                assert.deepEqual(values, before);
            }),
        );
    });
});
