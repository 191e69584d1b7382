import * as assert from "node:assert/strict";

import { eventually, pause } from "../../support/poll";
import { assertNoneFailed } from "../balancers/scene";
import { RenderedScene } from "./scene";

describe("a catalogue that is away or not to be believed", function () {
    this.timeout("3m");
    let scene: RenderedScene;

    before(async () => {
        scene = await RenderedScene.prepare(["a", "b", "c", "d"], { GUARD_HOLD: "10" });
        await scene.run("a", "b");
    });
    after(() => scene?.close());

    it("is not believed when it is suddenly empty until it has said so for a while", async () => {
        const held = await scene.balancer.counter("held");
        const report = await scene.underLoad(true, async () => {
            await scene.deregister("a", "b");
            await eventually("the list is held back", async () =>
                assert.ok((await scene.balancer.counter("held")) > held),
            );
            assert.match(await scene.used(), /b$/);
            await scene.register(["a", "b"]);
            await scene.answers("a b");
        });
        assertNoneFailed(report);
        await scene.deregister("a", "b");
        await scene.answers("status 503");
        await eventually("the log says so", async () =>
            assert.match(
                await scene.balancer.log("templater"),
                /the catalogue still lists 0 of web; believed/,
            ),
        );
        await scene.register(["a", "b"]);
        await scene.answers("a b");
    });

    it("may be away for a minute, and is followed soon after its return", async () => {
        await scene.losesNothing(async () => {
            const back = Date.now() + 60_000;
            await scene.consul.stop();
            // Nobody can say it, but HAProxy notices by itself.
            scene.killInstance("b");
            await scene.answers("a");
            await scene.startInstances("b");
            await pause(back - Date.now());
            assert.equal(await scene.used(), "a");
            await scene.consul.start();
            // It answers before it has played all of its log.
            await eventually("it knows what it has known", async () =>
                assert.deepEqual(await scene.catalogue.idsOf("web"), ["a", "b"]),
            );
            await scene.register(["b", "c"]);
            await scene.deregister("a");
            // consul-template asks every five seconds at the latest.
            await scene.answers("b c", { within: 12 });
        });
    });

    it("may have lost its data: the instances stay until they are registered again", async () => {
        // Longer than the test takes: what is held back must not be believed in between.
        await scene.balancer.changeTemplater({ GUARD_HOLD: "60" });
        await scene.answers("b c");
        const held = await scene.balancer.counter("held");
        await scene.losesNothing(async () => {
            await scene.consul.stop();
            scene.consul.loseData();
            await scene.consul.start();
            assert.deepEqual(await scene.catalogue.idsOf("web"), []);
            await eventually("the empty list is held back", async () =>
                assert.ok((await scene.balancer.counter("held")) > held),
            );
            assert.match(await scene.balancer.lastError(), /the catalogue lists 0 of web after 2; held back/);
            assert.equal(await scene.used(), "b c");
            await scene.register(["b", "c", "d"]);
            await scene.answers("b c d");
        });
        await scene.deregister("c");
        await scene.answers("b d");
    });
});
