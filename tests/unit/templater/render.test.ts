import * as assert from "node:assert/strict";

import { eventually } from "../../support/poll";
import { get } from "../apps/http";
import { assertNoneFailed } from "../balancers/scene";
import { RenderedScene } from "./scene";

describe("HAProxy rendered by consul-template", function () {
    this.timeout("3m");
    let scene: RenderedScene;

    before(async () => {
        scene = await RenderedScene.prepare(["a", "b", "c", "d"], { GUARD_HOLD: "10" });
    });
    after(() => scene?.close());

    it("has its ports open, and a page that says why, before anything is rendered", async () => {
        await scene.balancer.startHaproxy();
        await eventually("HAProxy is alive", async () =>
            assert.equal((await scene.stats("/health")).status, 200),
        );
        assert.equal((await scene.stats("/ready")).status, 503);
        const { status, body } = await scene.visit();
        assert.equal(status, 503);
        assert.match(body, /No healthy instance can answer/);
    });

    it("renders the instances that pass, and no other", async () => {
        await scene.register(["a", "b"]);
        await scene.register("c", { status: "critical" });
        await scene.balancer.startTemplater();
        await scene.answers("a b");
        assert.equal((await scene.stats("/ready")).status, 200);
        for (const path of ["/", "/metrics", "/guard/metrics", "/guard/status"]) {
            assert.equal((await get(`http://127.0.0.1:${scene.ports.stats}${path}`)).status, 401, path);
            assert.equal((await scene.stats(path)).status, 200, path);
        }
        assert.match((await scene.stats("/guard/metrics")).body, /^gatehouse_guard_accepted_total \d+$/m);
        const expected = ["a", "b"].map((name) => `${name} 127.0.0.1:${scene.portOf(name)}`);
        await eventually("HAProxy reads them", async () =>
            assert.deepEqual(await scene.balancer.servers(), expected),
        );
    });

    for (const keepAlive of [true, false]) {
        it(`loses no request while instances come and go (${keepAlive ? "kept alive" : "a connection each"})`, async () => {
            const report = await scene.underLoad(keepAlive, async () => {
                for (let round = 0; round < 4; round++) {
                    await scene.register(["c", "d"]);
                    await scene.answers("a b c d");
                    await scene.register("a", { status: "critical" });
                    await scene.deregister("b");
                    await scene.answers("c d");
                    await scene.register(["a", "b"]);
                    await scene.answers("a b c d");
                    await scene.deregister("c");
                    await scene.register("d", { status: "critical" });
                    await scene.answers("a b");
                }
            });
            assertNoneFailed(report);
            assert.match(await scene.balancer.log("templater"), /the new configuration is active/);
        });
    }

    it("takes a server's new port, and not the one that HAProxy remembers", async () => {
        await scene.register("a", { port: scene.portOf("c") });
        await scene.answers("b c");
        await scene.register("a");
        await scene.answers("a b");
    });

    it("answers 503 at once when the catalogue says that no instance passes, and recovers", async () => {
        await scene.register(["a", "b"], { status: "critical" });
        // Sooner than what is held back.
        await scene.answers("status 503", { within: 8 });
        await scene.register("b");
        await scene.answers("b");
        await scene.register("a");
        await scene.answers("a b");
    });

    it("takes nothing into the configuration that an instance says of itself", async () => {
        const port = 9;
        const bad = [
            { id: 'x\n    server y 127.0.0.1:1\n#"', port },
            { id: "name", address: "example.org\n    bind :1", port: 80 },
            { id: "port", port: 0 },
            { id: "six", address: "::1", port },
        ];
        await scene.catalogue.register(...bad);
        await scene.register("c");
        await eventually("c answers, too", async () => assert.match(await scene.used(), /a b c/));
        // HAProxy uses them before its file says so.
        await eventually("the file has what is harmless of them", async () =>
            assert.deepEqual(
                (await scene.balancer.servers()).filter((line) => !/^[abc] /.test(line)),
                ["six ::1:9", "x_____server_y_127.0.0.1_1___ 127.0.0.1:9"],
            ),
        );
        await scene.deregister(...bad.map(({ id }) => id), "c");
        await scene.answers("a b", { within: 60 });
    });

    it("changes the templater's settings while traffic goes on", async () => {
        const report = await scene.underLoad(true, async () => {
            await scene.balancer.changeTemplater({ HEALTH_PATH: "/" });
            await eventually("HAProxy asks for /", async () =>
                assert.match(await scene.balancer.configuration(), /httpchk GET \/\n/),
            );
        });
        assertNoneFailed(report);
    });

    it("refuses settings that cannot be, all at once", async () => {
        await scene.balancer.changeTemplater({ STATS_PASSWORD: "a b", GUARD_MIN_SHARE: "2" });
        const log = await eventually("it has ended", async () => {
            const text = await scene.balancer.log("templater");
            assert.match(text, /these settings are wrong/);
            return text;
        });
        assert.match(log, /STATS_PASSWORD/);
        assert.match(log, /GUARD_MIN_SHARE/);
        await scene.answers("a b");
    });
});
