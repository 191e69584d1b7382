import * as assert from "node:assert/strict";

import { eventually, pause } from "../../support/poll";
import { RenderedScene } from "./scene";

/** Seconds for which the guard holds a list back, in the forms that have one. */
const hold = 10;
/** Seconds: sooner than a question to Consul ends by itself. */
const soon = 4.5;

interface Form {
    name: "template" | "events" | "dns";
    /** An instance whose check warns is used. */
    warned: boolean;
    /** Whether a list that is suddenly short is held back. */
    guarded: boolean;
    /** Seconds until Consul's word that no instance passes is a 503, although all still answer; "at once" is not held back. */
    none: { after: number; within: number };
    /** Seconds for which Consul is away, and until it is followed when it is back. */
    away: number;
    back: number;
}

const forms: Form[] = [
    // consul-template asks every five seconds at the latest.
    { name: "template", warned: false, guarded: true, none: { after: 0, within: 8 }, away: 6, back: 12 },
    { name: "events", warned: true, guarded: true, none: { after: 0, within: 8 }, away: 40, back: 15 },
    // To DNS a service without instances and one that nobody knows are the same: `hold nx`.
    { name: "dns", warned: true, guarded: false, none: { after: 20, within: 45 }, away: 6, back: 5 },
];

/** One scenario in all forms of discovery. What they do not have in common stands in the table above. */
for (const form of forms) {
    describe(`discovery by ${form.name} in the template lab`, function () {
        this.timeout("3m");
        sameForAll(form);
    });
}

function sameForAll({ name, warned, guarded, none, away, back }: Form): void {
    let scene: RenderedScene;

    before(async () => {
        scene = await RenderedScene.prepare(["a", "b", "c", "d"], {
            DISCOVERY: name,
            GUARD_HOLD: String(hold),
        });
        await scene.run("a", "b");
    });
    after(() => scene?.close());

    const isReady = (expected: boolean): Promise<void> =>
        eventually(`it is ${expected ? "" : "not "}ready`, async () =>
            assert.equal((await scene.stats("/ready")).status, expected ? 200 : 503),
        );

    it("says that it is ready, and shows its statistics behind the password", async () => {
        await isReady(true);
        const shown = ["/", "/metrics", "/guard/metrics", "/guard/status"];
        for (const path of [...shown, ...(name === "events" ? ["/discovery", "/discovery/metrics"] : [])]) {
            assert.equal((await fetch(`http://127.0.0.1:${scene.ports.stats}${path}`)).status, 401, path);
            assert.equal((await scene.stats(path)).status, 200, path);
        }
    });

    it("follows an instance from its registration to its end, and loses no request", async () => {
        await scene.losesNothing(async () => {
            await scene.register("c", { status: "critical" });
            await pause(500);
            await scene.answers("a b");
            await scene.register("c");
            await scene.answers("a b c", { within: soon });
            await scene.register("c", { status: "critical" });
            await scene.answers("a b", { within: soon });
            await scene.register("c");
            await scene.answers("a b c", { within: soon });
            await scene.register("c", { status: "warning" });
            await scene.answers(warned ? "a b c" : "a b", { within: soon });
            await scene.register("c");
            await scene.answers("a b c", { within: soon });
            await scene.deregister("c");
            await scene.answers("a b", { within: soon });
        });
    });

    it("loses no GET when an instance dies before Consul knows it", async () => {
        await scene.losesNothing(async () => {
            scene.killInstance("b");
            await scene.answers("a", { within: soon });
            await scene.register("b", { status: "critical" });
        });
        await scene.startInstances("b");
        await scene.register("b");
        await scene.answers("a b");
    });

    it("goes on while Consul is away, and follows it when it is back", async () => {
        await scene.losesNothing(async () => {
            await scene.consul.stop();
            await pause(away * 1000);
            await scene.answers("a b");
            await scene.consul.start();
            await scene.register("c");
            await scene.answers("a b c", { within: back });
        });
    });

    if (name === "dns") {
        it("goes on for no longer than half a minute, and recovers", async () => {
            await scene.consul.stop();
            try {
                await pause(20_000);
                await scene.answers("a b c");
                await scene.answers("status 503", { within: 20 });
            } finally {
                await scene.consul.start();
            }
            await scene.answers("a b c");
        });
    }

    it(`${guarded ? "holds back" : "believes"} a list that is suddenly short, and loses no request`, async () => {
        await scene.register("d");
        await scene.answers("a b c d");
        await scene.losesNothing(async () => {
            await scene.catalogue.deregisterAtOnce("web", "b", "c", "d");
            const begin = Date.now();
            await scene.answers("a", { within: hold + 8 });
            const took = (Date.now() - begin) / 1000;
            assert.ok(guarded === took > hold - 1, `believed after ${took.toFixed(1)} s`);
        });
        await scene.register("b");
        await scene.answers("a b");
    });

    it(`starts ${name === "dns" ? "without" : "with the same"} servers while Consul is away`, async () => {
        await scene.consul.stop();
        await scene.balancer.docker("kill", "haproxy");
        await scene.balancer.docker("start", "haproxy");
        if (name === "dns") {
            // What HAProxy knows of DNS is gone with it.
            await scene.answers("status 503");
            await isReady(false);
        } else {
            await scene.answers("a b");
        }
        await scene.consul.start();
        await scene.answers("a b");
    });

    it("answers 503 when all are dead, at once, and recovers", async () => {
        scene.killInstance("a");
        scene.killInstance("b");
        await scene.answers("status 503", { within: soon });
        await isReady(false);
        await scene.register(["a", "b"], { status: "critical" });
        await scene.startInstances("a", "b");
        await scene.register(["a", "b"]);
        await scene.answers("a b");
        await isReady(true);
    });

    it(`answers 503 when Consul says that none passes, ${none.after === 0 ? "at once" : "after a while"}`, async () => {
        const begin = Date.now();
        await scene.register(["a", "b"], { status: "critical" });
        await scene.answers("status 503", { within: none.within });
        const took = (Date.now() - begin) / 1000;
        assert.ok(took >= none.after, `after ${took.toFixed(1)} s`);
        await isReady(false);
        await scene.register("b");
        await scene.answers("b");
    });
}

describe("a change of the discovery", function () {
    this.timeout("3m");
    let scene: RenderedScene;

    before(async () => {
        scene = await RenderedScene.prepare(["a", "b", "c"]);
        await scene.run("a", "b", "c");
    });
    after(() => scene?.close());

    const runs = (name: string): Promise<unknown> =>
        eventually(`HAProxy learns by ${name}`, async () => {
            const found = /server-template .*(disabled|resolvers)/.exec(await scene.balancer.configuration());
            const form = { disabled: "events", resolvers: "dns" }[found?.[1] ?? ""] ?? "template";
            assert.equal(form, name);
            if (name === "dns") {
                // An instance that goes before HAProxy's first answers goes no sooner than after `hold timeout`.
                assert.match(await scene.balancer.ask("show resolvers"), /^ *valid: *\d{2}/m);
            }
        });

    /** Waits until these answer, and nobody else in so many requests that one server of five would be among them. */
    const areAll = (expected: string): Promise<void> =>
        eventually(
            `${expected} are all that answer`,
            async () => {
                for (let n = 0; n < 6; n++) {
                    assert.equal(await scene.used(), expected);
                }
            },
            // Sooner than `hold timeout`.
            { within: 15 },
        );

    // Every form follows every other one.
    for (const next of ["events", "dns", "template", "dns", "events", "template"]) {
        it(`to ${next} loses no request, and what comes after it is followed`, async () => {
            await scene.losesNothing(async () => {
                await scene.balancer.changeTemplater({ DISCOVERY: next });
                await runs(next);
                await scene.answers("a b c");
                await scene.deregister("c");
                await areAll("a b");
                await scene.register("c");
                await areAll("a b c");
            });
        });
    }

    it("waits for a Consul that is away", async () => {
        await scene.losesNothing(async () => {
            await scene.consul.stop();
            try {
                for (const DISCOVERY of ["events", "dns"]) {
                    await scene.balancer.changeTemplater({ DISCOVERY });
                    await pause(3000);
                    await runs("template");
                    await scene.answers("a b c");
                }
            } finally {
                await scene.consul.start();
            }
            await runs("dns");
            await scene.answers("a b c");
        });
    });

    it("hands the guard's settings to HAProxy's Lua where nobody else can read them", async () => {
        await scene.balancer.changeTemplater({
            DISCOVERY: "events",
            GUARD_MIN_SHARE: "0.25",
            GUARD_HOLD: "7",
        });
        await runs("events");
        const file = "/run/haproxy/haproxy.cfg.json";
        const told = async (): Promise<unknown> =>
            (JSON.parse(await scene.balancer.inside("cat", file)) as { guard: unknown }).guard;
        await eventually("HAProxy reads them", async () =>
            assert.deepEqual(await told(), { minimumShare: 0.25, hold: 7 }),
        );
        assert.equal((await scene.balancer.inside("stat", "-c", "%a", file)).trim(), "600");
        await scene.losesNothing(async () => {
            await scene.balancer.changeTemplater({ GUARD_HOLD: "8" });
            await eventually("HAProxy reads the new ones", async () =>
                assert.deepEqual(await told(), { minimumShare: 0.25, hold: 8 }),
            );
        });
    });

    it("is refused when it cannot be", async () => {
        await scene.balancer.changeTemplater({ DISCOVERY: "dns", CONSUL_DNS_ADDR: "consul", SLOTS: "0" });
        const log = await eventually("it has ended", async () => {
            const text = await scene.balancer.log("templater");
            assert.match(text, /these settings are wrong/);
            return text;
        });
        assert.match(log, /CONSUL_DNS_ADDR must be an IPv4 address and a port/);
        assert.match(log, /SLOTS must be a whole number/);
        await scene.answers("a b c");
    });
});
