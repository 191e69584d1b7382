import * as assert from "node:assert/strict";

import { propagation } from "../../components/balancers/propagation";
import { parseConfig } from "../../config";
import { hastyShutdown, onNomad, uselessHold, uselessWeights } from "../../settings/discovery";
import { refusal } from "../support/settings";

const accepts = (settings: Record<string, unknown>) =>
    parseConfig(
        Object.fromEntries(
            Object.entries(settings).map(([key, value]) => [
                key,
                typeof value === "string" ? value : JSON.stringify(value),
            ]),
        ),
    );

describe("settings of the discovery that cannot work", () => {
    describe("a shutdownDelay", () => {
        it("is refused when the balancer needs longer to notice, with the terms and the least that works", () => {
            for (const discovery of ["dns", "events", "template"] as const) {
                const { deregistration } = propagation({ discovery: onNomad(discovery, undefined) });
                const least = `${Math.round(deregistration.seconds * 1000)}ms`;
                const message = refusal({ discovery, webapp: { shutdownDelay: "500ms" } });
                assert.match(message, /gatehouse:webapp\.shutdownDelay: 500ms is shorter than HAProxy needs/);
                for (const { what, seconds } of deregistration.terms) {
                    assert.ok(message.includes(`${seconds} s ${what}`), message);
                }
                assert.ok(message.includes(`at the worst ${deregistration.seconds} s (`), message);
                assert.ok(message.includes(`set at least ${least}`), message);
                // What the message says works, and not a millisecond less.
                accepts({ discovery, webapp: { shutdownDelay: least } });
                const less = `${Math.round(deregistration.seconds * 1000) - 1}ms`;
                assert.match(
                    refusal({ discovery, webapp: { shutdownDelay: less } }),
                    /webapp\.shutdownDelay/,
                );
            }
        });

        it("is none at all when it is none", () =>
            assert.match(
                refusal({ webapp: { shutdownDelay: "0s" } }),
                /webapp\.shutdownDelay: 0s is shorter/,
            ));

        it("is refused by default, too, where the resolver keeps instances for longer", () => {
            const hold = { obsolete: "10s" };
            assert.match(
                refusal({ discovery: "dns", haproxy: { hold } }),
                /gatehouse:webapp\.shutdownDelay: 2s, the default, is shorter .* 10 s what is no longer named is kept, .*; set at least 11s/,
            );
            accepts({ discovery: "dns", haproxy: { hold }, webapp: { shutdownDelay: "11s" } });
        });

        it("counts what Nomad renders, where it does", () => {
            const discovery = onNomad("template", undefined);
            const [problem] = hastyShutdown("1s", discovery, "webapp.shutdownDelay");
            assert.match(problem!.message, /0\.5 s Nomad collects changes, 0\.5 s HAProxy is reloaded/);
            assert.deepEqual(hastyShutdown(undefined, discovery, "webapp.shutdownDelay"), []);
        });

        it("is a span of time", () => {
            for (const wrong of ["2", "-1s", "2h", "a while", "00s"]) {
                assert.match(
                    refusal({ webapp: { shutdownDelay: wrong } }),
                    /gatehouse:webapp\.shutdownDelay: must be a (number and a unit|string)/,
                );
            }
            assert.match(refusal({ webapp: { shutdownDelay: "2m" } }), /must be at most 60s, but is "2m"/);
        });
    });

    describe("a hold", () => {
        it("is refused where HAProxy asks no name server", () => {
            assert.match(
                refusal({ discovery: "events", haproxy: { hold: { nx: "10s" } } }),
                /gatehouse:haproxy\.hold\.nx: does nothing with discovery events, which asks no name server; remove it, or choose discovery dns/,
            );
            const problems = uselessHold({ obsolete: "0s", valid: "1s" }, "template", "haproxy.hold");
            assert.deepEqual(
                problems.map(({ path }) => path),
                ["haproxy.hold.obsolete", "haproxy.hold.valid"],
            );
            accepts({ discovery: "events", haproxy: { hold: {} } });
        });

        it("is refused where this version of HAProxy does nothing with it", () =>
            assert.match(
                refusal({ discovery: "dns", haproxy: { hold: { valid: "5s", nx: "10s" } } }),
                /a setting to correct[^]*gatehouse:haproxy\.hold\.valid: does nothing on HAProxy 2\.6: .*`timeout resolve`.*; remove it/,
            ));

        it("is accepted otherwise", () => {
            const hold = { obsolete: "1s", nx: "0s", timeout: "5m", refused: "10s", other: "60m" };
            accepts({ discovery: "dns", haproxy: { hold }, webapp: { shutdownDelay: "2s" } });
            assert.match(refusal({ haproxy: { hold: { nx: "61m" } } }), /hold\.nx: must be at most 60m/);
            assert.match(
                refusal({ haproxy: { hold: { nxdomain: "1s" } } }),
                /hold\.nxdomain: unknown setting/,
            );
        });
    });

    describe("weights", () => {
        const refused = (passing: number, warning: number, form: "dns" | "events" | "template" = "dns") =>
            uselessWeights({ passing, warning }, form, "webapp.weights").length > 0;

        it("are refused where DNS makes the same of them", () => {
            assert.match(
                refusal({ discovery: "dns", webapp: { weights: { passing: 10, warning: 1 } } }),
                /gatehouse:webapp\.weights: 10 \(passing\) and 1 \(warning\) are the same to HAProxy, .* both for 1; choose discovery events, or multiples of 256/,
            );
            assert.ok(refused(256, 1) && refused(1, 256) && refused(512, 257));
        });

        it("are accepted where they differ, or are not meant to", () => {
            assert.ok(!refused(257, 256) && !refused(512, 256) && !refused(65535, 1));
            assert.ok(!refused(1, 1) && !refused(10, 10));
            assert.ok(!refused(10, 1, "events"));
            accepts({ discovery: "events", webapp: { weights: { passing: 10 } } });
        });

        it("are refused where nobody renders them", () => assert.ok(refused(512, 256, "template")));

        it("are numbers that Consul takes", () => {
            assert.match(
                refusal({ webapp: { weights: { warning: 0 } } }),
                /gatehouse:webapp\.weights\.warning: must be at least 1: who is to get nothing fails its check, but is 0/,
            );
            assert.match(
                refusal({ webapp: { weights: { passing: 65536 } } }),
                /weights\.passing: must be at most 65535/,
            );
        });
    });
});
