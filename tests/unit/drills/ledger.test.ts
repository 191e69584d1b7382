import * as assert from "node:assert/strict";

import { type Attempt, Ledger, longestSpell, lost, reasons } from "../../../drills/ledger";

const fine = (begun: number, ended = begun + 10): Attempt => ({ begun, ended });
const failed = (begun: number, ended = begun + 10, why = "status 503"): Attempt => ({ begun, ended, why });

describe("drills: ledger", () => {
    it("takes failures a second apart for one spell, whatever succeeded meanwhile", () => {
        assert.equal(longestSpell([]), 0);
        assert.equal(longestSpell([fine(0), fine(100)]), 0);
        assert.equal(longestSpell([failed(500, 1000)]), 0.5);
        assert.equal(longestSpell([failed(0, 100), fine(50), failed(1100, 1200)]), 1.2);
        assert.equal(longestSpell([failed(0, 100), failed(1101, 1200)]), 0.1);
        // The second of two ends first, and is found first.
        assert.equal(longestSpell([failed(100, 200), failed(0, 5000), failed(5900, 6000)]), 6);
    });

    it("says why attempts failed, most frequent first", () => {
        assert.equal(reasons([fine(0)]), "");
        assert.equal(
            reasons([failed(0, 1, "TIMEOUT"), failed(0), failed(1), fine(2)]),
            "2 × status 503, 1 × TIMEOUT",
        );
    });

    it("misses what is not there, or is not what was written", () => {
        assert.deepEqual(lost(["a", "b", "c"], { a: "a", b: "x", d: "d" }), ["b", "c"]);
        assert.deepEqual(lost(["a"], { a: "a" }), []);
    });

    it("measures the longest time without an acknowledged write, to the end of the drill", () => {
        const ledger = new Ledger();
        const write = (ended: number, why?: string): number =>
            ledger.writes.push({ api: "consul", place: "a", key: `${ended}`, begun: ended - 5, ended, why });
        assert.equal(ledger.longestSilence("consul", 1000, 9000), 8);
        write(2000);
        write(2500);
        write(6000, "status 500");
        write(7000);
        ledger.writes.push({ api: "nomad", place: "a", key: "n", begun: 4000, ended: 4500 });
        assert.equal(ledger.longestSilence("consul", 1000, 9000), 4.5);
        assert.equal(ledger.longestSilence("consul", 1000, 20_000), 13);
        assert.deepEqual(ledger.acknowledged("consul"), ["2000", "2500", "7000"]);
        assert.deepEqual(ledger.acknowledged("nomad"), ["n"]);
    });

    it("lets a place work when both writes and a request that began late enough have succeeded", () => {
        const ledger = new Ledger();
        ledger.writes.push({ api: "consul", place: "a", key: "1", ...fine(100, 200) });
        ledger.writes.push({ api: "nomad", place: "a", key: "2", ...fine(100, 400) });
        ledger.requests.push({ place: "a", ...failed(100, 110) }, { place: "b", ...fine(100, 110) });
        assert.equal(ledger.works("a", 50), undefined);
        ledger.requests.push({ place: "a", ...fine(300, 310) });
        assert.equal(ledger.works("a", 50), 400);
        assert.equal(ledger.works("a", 150), undefined);
    });
});
