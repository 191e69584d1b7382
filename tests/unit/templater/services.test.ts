import * as assert from "node:assert/strict";

import { eventually } from "../../support/poll";
import { RenderedScene } from "./scene";

describe("several services behind one HAProxy", function () {
    this.timeout("2m");
    let scene: RenderedScene;
    const api = "api.service";

    before(async () => {
        const names = ["a", "b", "c", "d", "e", "f"];
        scene = await RenderedScene.prepare(names, { SERVICES: "web api", GUARD_HOLD: "20" });
        await scene.register(["c", "d", "e", "f"], { service: "api" });
        await scene.run("a", "b");
        await scene.answers("c d e f", { host: api });
    });
    after(() => scene?.close());

    for (const [host, expected] of [
        ["api.service", "c d e f"],
        ["api.service:8090", "c d e f"],
        ["API.Service", "c d e f"],
        ["Api.SERVICE:80", "c d e f"],
        ["web.service", "a b"],
        ["api", "a b"],
        ["api.service.example.org", "a b"],
        ["none.service", "a b"],
        ["127.0.0.1", "a b"],
    ] as const) {
        it(`gives ${host} to ${expected}`, async () => {
            assert.equal(await scene.used(host), expected);
        });
    }

    it("holds back the one whose list is suddenly short, and follows the other meanwhile", async () => {
        const held = await scene.balancer.counter("held");
        await scene.losesNothing(async () => {
            await scene.catalogue.deregisterAtOnce("api", "d", "e", "f");
            await eventually("the list is held back", async () =>
                assert.ok((await scene.balancer.counter("held")) > held),
            );
            await scene.register("b", { status: "critical" });
            await scene.answers("a");
            await scene.deregister("b");
            await scene.register("d");
            await scene.answers("a d");
            assert.equal(await scene.used(api), "c d e f");
            await scene.answers("c", { host: api, within: 40 });
        });
        await eventually("the log says so", async () =>
            assert.match(
                await scene.balancer.log("templater"),
                /the catalogue still lists 1 of api; believed/,
            ),
        );
        assert.doesNotMatch(await scene.balancer.log("templater"), /of web/);
    });

    it("answers 503 for the one that has no healthy instance, and for no other", async () => {
        await scene.register("c", { service: "api", status: "critical" });
        // Sooner than what is held back.
        await scene.answers("status 503", { host: api, within: 10 });
        assert.equal(await scene.used(), "a d");
        await scene.register("c", { service: "api" });
        await scene.answers("c", { host: api });
    });
});
