import * as assert from "node:assert/strict";
import * as fc from "fast-check";

import { maxWebAppCount, slotCount, slotsForInstances } from "../../../components/balancers/slots";

const counts = fc.integer({ min: 1, max: maxWebAppCount });

describe("slotCount", () => {
    it("holds the instances, as many canaries, and the one being replaced", () => {
        fc.assert(fc.property(counts, (count) => slotCount(count) >= 2 * count + 1));
    });

    it("wastes less than half beyond the smallest backend", () => {
        fc.assert(
            fc.property(counts, (count) => slotCount(count) === 16 || slotCount(count) < 2 * (2 * count + 1)),
        );
    });

    it("never gives a bigger application fewer slots", () => {
        fc.assert(fc.property(counts, counts, (a, b) => a > b || slotCount(a) <= slotCount(b)));
    });

    it("is at least the minimum that a setting of the user's own must reach", () => {
        fc.assert(fc.property(counts, (count) => slotCount(count, { minimum: true }) <= slotCount(count)));
    });

    it("follows the rollout", () => {
        const rollout = { canaries: fc.nat(200), maxParallel: fc.integer({ min: 1, max: 50 }) };
        fc.assert(
            fc.property(counts, fc.record(rollout), (count, { canaries, maxParallel }) => {
                const needed = count + canaries + maxParallel;
                assert.equal(slotCount(count, { canaries, maxParallel, minimum: true }), needed);
                return slotCount(count, { canaries, maxParallel }) >= needed;
            }),
        );
    });

    it("does not change while the demo is scaled from 3 to 5 and back", () => {
        assert.equal(slotCount(3), slotCount(5));
    });

    it("holds instances that no deployment replaces twice, and one more", () => {
        assert.deepEqual([1, 2, 7, 8, 16, 200].map(slotsForInstances), [16, 16, 16, 32, 64, 512]);
    });

    it("refuses a count that is none", () => {
        for (const count of [0, -1, 1.5, NaN, maxWebAppCount + 1]) {
            assert.throws(() => slotCount(count), /webapp\.count must be a whole number from 1 to/);
        }
    });
});
