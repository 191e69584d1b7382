import * as assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import * as path from "node:path";

import { parseConfig } from "../../config";
import { oldWorkers } from "../../settings/template";
import { root } from "../support/command";
import { refusal } from "../support/settings";

describe("configuration of the template lab", () => {
    it("names everything that is wrong", () => {
        const message = refusal({
            lab: "template",
            instances: {
                Web: { port: 80 },
                web1: { port: 8001 },
                api1: { port: 8002 },
                web999: { port: 8003 },
            },
            check: { interval: "5", timeout: "never" },
            guard: { minimumShare: 2, hold: 3, reloadGap: "0s", reloadBurst: 21 },
        });
        for (const pattern of [
            /gatehouse:instances\.Web: the name must be lower-case letters and a number/,
            /gatehouse:check\.interval: must be a number and a unit/,
            /gatehouse:check\.timeout: must be a number and a unit/,
            /gatehouse:guard\.minimumShare: must be at most 1, but is 2/,
            /gatehouse:guard\.hold: must be a string, but is 3/,
            /gatehouse:guard\.reloadGap: must be a number and a unit \(ms, s or m\), such as 5s, but is "0s"/,
            /gatehouse:guard\.reloadBurst: must be at most 20, but is 21/,
        ]) {
            assert.match(message, pattern);
        }
    });

    it("refuses two instances with one number, and numbers without an address", () => {
        const message = refusal({
            lab: "template",
            instances: { web1: { port: 8001 }, api1: { port: 8002 }, web999: { port: 8003 } },
        });
        assert.match(message, /gatehouse:instances\.api1: has the number of web1/);
        assert.match(message, /gatehouse:instances\.web999: numbers end at 200/);
    });
});

describe("configuration of the template lab's discovery", () => {
    it("is the document's unless it is set, and one that exists", () => {
        for (const raw of [{}, { discovery: "" }] as Record<string, string>[]) {
            const config = parseConfig({ lab: "template", ...raw });
            assert.ok(config.lab === "template");
            assert.equal(config.discovery, "template");
        }
        assert.match(
            refusal({ lab: "template", discovery: "event" }),
            /gatehouse:discovery: unknown value "event"; use template, events, dns/,
        );
    });
});

describe("configuration of the template lab's guard", () => {
    const guard = (settings: Record<string, unknown>) => ({ lab: "template", guard: settings });

    it("refuses spans that the guard cannot count", () => {
        assert.match(refusal(guard({ hold: "500ms" })), /gatehouse:guard\.hold: must be whole seconds/);
        assert.match(refusal(guard({ hold: "99999m" })), /gatehouse:guard\.hold: .*at most 999999/);
        assert.match(refusal(guard({ reloadGap: "11m" })), /gatehouse:guard\.reloadGap: must be at most 10m/);
        assert.match(refusal(guard({ reloadBurst: 0 })), /gatehouse:guard\.reloadBurst: must be at least 1/);
        assert.match(refusal(guard({ reloadBurst: 1.5 })), /gatehouse:guard\.reloadBurst: must be a/);
    });

    it("refuses what the form of discovery does not know, and takes the defaults of Pulumi.yaml", () => {
        const changed = { minimumShare: 0.4, hold: "61s", reloadGap: "2s", reloadBurst: 4 };
        const said = (discovery: string, settings: Record<string, unknown>): string[] =>
            refusal({ ...guard(settings), discovery }).match(/guard\.\w+: has no effect .*$/gm) ?? [];
        assert.deepEqual(said("events", changed), [
            "guard.reloadGap: has no effect with gatehouse:discovery events; remove it, or choose discovery template",
            "guard.reloadBurst: has no effect with gatehouse:discovery events; remove it, or choose discovery template",
        ]);
        assert.equal(said("dns", changed).length, 4);
        assert.deepEqual(said("dns", { hold: "30s" }), [
            "guard.hold: has no effect with gatehouse:discovery dns; remove it, or choose discovery template or events",
        ]);
        const defaults = { minimumShare: 0.5, hold: "1m", reloadGap: "1000ms", reloadBurst: 5 };
        for (const discovery of ["template", "events", "dns"]) {
            const config = parseConfig({ lab: "template", discovery, guard: JSON.stringify(defaults) });
            assert.ok(config.lab === "template");
            assert.equal(config.discovery, discovery);
        }
        parseConfig({
            lab: "template",
            discovery: "events",
            guard: JSON.stringify({ minimumShare: 0, hold: "5s" }),
        });
    });

    it("knows how many old workers HAProxy bears", () => {
        const template = readFileSync(path.join(root, "images/templater/haproxy.ctmpl"), "utf8");
        assert.match(template, new RegExp(`^ +hard-stop-after ${oldWorkers.seconds}s$`, "m"));
        assert.match(template, new RegExp(`^ +mworker-max-reloads ${oldWorkers.reloads}$`, "m"));
    });

    it("refuses more reloads than that, and says which gap is long enough", () => {
        for (let reloadBurst = 1; reloadBurst <= 20; reloadBurst++) {
            const message = refusal(guard({ reloadGap: "10ms", reloadBurst }));
            const least = Number(/guard\.reloadGap: .*choose at least (\d+)ms/.exec(message)?.[1]);
            const config = parseConfig({
                lab: "template",
                guard: JSON.stringify({ reloadGap: `${least}ms`, reloadBurst }),
            });
            assert.ok(config.lab === "template");
            assert.ok(reloadBurst + (oldWorkers.seconds * 1000) / least < oldWorkers.reloads);
            refusal(guard({ reloadGap: `${least - 1}ms`, reloadBurst }));
        }
        // A gap below what the guard counts would be none.
        assert.match(refusal(guard({ reloadGap: "9ms" })), /choose at least 610ms/);
    });
});
