import * as assert from "node:assert/strict";

import * as fc from "fast-check";

import { nextAttempt, renewalTime, retryDelay } from "../../../images/balancer/schedule";

const delays = { retrySeconds: 300, retryMaxSeconds: 3600 };
const day = 86_400_000;
const never = { last: undefined, failures: 0 };

describe("when the CA is asked", () => {
    it("is at once without a certificate", () => {
        assert.equal(nextAttempt(1000, undefined, never, delays, 0.5), 1000);
    });

    it("is when a third of a certificate's life is left, whether that is months or minutes", () => {
        assert.equal(renewalTime(0, 90 * day, 0), 60 * day);
        assert.equal(renewalTime(0, 6 * day, 0), 4 * day);
        assert.equal(renewalTime(0, 90_000, 0), 60_000);
        assert.ok(renewalTime(0, 90 * day, 1) >= 57 * day, "chance moves it by days, not weeks");
    });

    it("is later and later after failures, but never after more than the longest delay", () => {
        const waits = [1, 2, 3, 4, 5, 50].map((failures) => retryDelay(failures, delays, 0));
        assert.deepEqual(waits, [300, 600, 1200, 2400, 3600, 3600]);
    });

    it("leaves Let's Encrypt's limit alone: five failed validations an hour", () => {
        let time = 0;
        const attempts = [time];
        for (let failures = 1; failures < 30; failures++) {
            time = nextAttempt(time, undefined, { last: time, failures }, { ...delays }, 0);
            attempts.push(time);
        }
        for (const start of attempts) {
            assert.ok(attempts.filter((at) => at >= start && at < start + 3_600_000).length <= 5);
        }
    });

    it("honours the delay over a restart, and never waits less after a success that looks old", () => {
        assert.equal(nextAttempt(1000, undefined, { last: 500, failures: 1 }, delays, 0), 300_500);
        const old = { notBefore: -80 * day, notAfter: 10 * day };
        assert.equal(nextAttempt(1000, old, { last: 500, failures: 0 }, delays, 0), 300_500);
    });

    it("is never in the past, and before the certificate ends if nothing has failed", () => {
        const times = fc.record({
            now: fc.integer({ min: 0, max: 1e12 }),
            age: fc.integer({ min: 0, max: 100 * day }),
            life: fc.integer({ min: 60_000, max: 400 * day }),
            random: fc.double({ min: 0, max: 1, noNaN: true }),
        });
        fc.assert(
            fc.property(times, ({ now, age, life, random }) => {
                const notBefore = now - Math.min(age, life - 1);
                const next = nextAttempt(
                    now,
                    { notBefore, notAfter: notBefore + life },
                    never,
                    delays,
                    random,
                );
                assert.ok(next >= now);
                assert.ok(next < notBefore + life);
            }),
        );
    });
});
