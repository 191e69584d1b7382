import * as assert from "node:assert/strict";

import * as fc from "fast-check";

import { described, propagation, type Discovery, type Span } from "../../../components/balancers/propagation";
import * as timings from "../../../components/balancers/timings";

const forms: Discovery[] = [
    { form: "dns" },
    { form: "events" },
    { form: "template", by: "nomad" },
    { form: "template", by: "guard" },
];
const seconds = ({ terms }: Span, from: string): number =>
    terms.filter((term) => term.from === from).reduce((all, term) => all + term.seconds, 0);

describe("propagation", () => {
    it("adds its terms up", () => {
        for (const discovery of forms) {
            const { deregistration, death, silence } = propagation({ discovery });
            for (const { seconds: sum, terms } of [deregistration, death, silence]) {
                const added = terms.reduce((all, term) => all + term.seconds, 0);
                assert.ok(Math.abs(sum - added) < 0.001, `${discovery.form}: ${sum} is not ${added}`);
                assert.ok(terms.every((term) => term.seconds > 0));
            }
        }
    });

    it("counts what each form waits for after a deregistration", () => {
        const terms = (discovery: Discovery) =>
            propagation({ discovery }).deregistration.terms.map(({ seconds: part, from }) => [from, part]);
        const { consul, haproxy, consulTemplate, guard, reload } = timings.allowances;
        assert.deepEqual(terms({ form: "dns" }), [
            ["allowance", consul],
            ["timeout resolve", 0.1],
            ["timeout retry", 0.2],
            ["allowance", haproxy],
        ]);
        assert.deepEqual(terms({ form: "events" }), [
            ["allowance", consul],
            ["first_pause", 0.1],
            ["allowance", haproxy],
        ]);
        assert.deepEqual(terms({ form: "template", by: "nomad" }), [
            ["allowance", consul],
            ["allowance", consulTemplate],
            ["wait max", 0.5],
            ["allowance", reload],
        ]);
        assert.deepEqual(terms({ form: "template", by: "guard" }), [
            ["allowance", consul],
            ["allowance", consulTemplate],
            ["allowance", guard],
            ["allowance", haproxy],
        ]);
    });

    it("counts what the resolver keeps, and the answer that ends it", () => {
        const bare = propagation({ discovery: { form: "dns" } }).deregistration.seconds;
        const kept = propagation({ discovery: { form: "dns", hold: { obsolete: 5 } } }).deregistration;
        assert.equal(seconds(kept, "hold obsolete"), 5);
        assert.equal(kept.seconds, Math.round((bare + 5.1) * 1000) / 1000);
    });

    it("trusts HAProxy's own checks with a death and with silence, where they are faster", () => {
        const { death, silence } = propagation({ discovery: { form: "dns" } });
        assert.deepEqual(
            death.terms.map(({ seconds: part, from }) => [from, part]),
            [
                ["inter", 1],
                ["fastinter", 0.2],
                ["allowance", timings.allowances.haproxy],
            ],
        );
        // Two checks that get no answer.
        assert.equal(seconds(silence, "timeout check, timeout connect"), 2);
        assert.equal(silence.seconds, 3.3);
        const spread = propagation({ discovery: { form: "template", by: "guard" } });
        assert.equal(seconds(spread.death, "inter"), 1.05);
    });

    it("trusts Consul's check where that is faster", () => {
        const check = { interval: 0.1, timeout: 0.1 };
        const { deregistration, death, silence } = propagation({ discovery: { form: "events" }, check });
        assert.equal(death.seconds, Math.round((deregistration.seconds + 0.1) * 1000) / 1000);
        assert.equal(silence.seconds, Math.round((deregistration.seconds + 0.2) * 1000) / 1000);
        assert.equal(seconds(death, "check interval"), 0.1);
    });

    it("is never better for a slower check, nor worse than HAProxy's own", () => {
        const span = fc.double({ min: 0.1, max: 100, noNaN: true });
        fc.assert(
            fc.property(fc.constantFrom(...forms), span, span, span, (discovery, interval, timeout, more) => {
                const one = propagation({ discovery, check: { interval, timeout } });
                const slower = propagation({ discovery, check: { interval: interval + more, timeout } });
                assert.ok(slower.death.seconds >= one.death.seconds);
                assert.ok(slower.silence.seconds >= one.silence.seconds);
                assert.ok(one.silence.seconds >= one.death.seconds);
                assert.ok(one.death.seconds <= 1.4);
            }),
        );
    });

    it("says when an instance that still answers gets requests for longer", () => {
        const until = (discovery: Discovery) =>
            propagation({ discovery }).exceptions.map(({ from, seconds: part }) => [from, part]);
        assert.deepEqual(until({ form: "dns", hold: { nx: 7 } }), [
            ["hold nx", 7],
            ["hold timeout", 30],
        ]);
        assert.deepEqual(until({ form: "events" }), [["guard hold", 60]]);
        assert.deepEqual(until({ form: "template", by: "guard", holdSeconds: 5 }), [["guard hold", 5]]);
        assert.deepEqual(until({ form: "template", by: "nomad" }), [["timeout http-keep-alive", 10]]);
    });

    it("can be said in a sentence", () => {
        assert.equal(
            described(propagation({ discovery: { form: "events" } }).deregistration),
            "0.7 s (0.5 s Consul's catalogue forgets the instance, 0.1 s a question that broke is asked again, 0.1 s HAProxy takes it over)",
        );
    });
});
