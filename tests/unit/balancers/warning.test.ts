import * as assert from "node:assert/strict";
import { once } from "node:events";
import * as http from "node:http";
import type { AddressInfo } from "node:net";

import { FakeConsul } from "../../support/fake-consul";
import { eventually } from "../../support/poll";
import { RunningHaproxy } from "./container";
import { buildImages, removeImages } from "./image";
import { defaultItems, renderHaproxy } from "./render";
import { password, Scene } from "./scene";

/** Consul takes 429 for a warning, and goes on naming the instance. HAProxy asks the same path itself. */
describe("an instance that answers its check with 429", function () {
    this.timeout("2m");
    let consul: FakeConsul;
    let scene: Scene;
    let haproxy: RunningHaproxy | undefined;
    let busy: http.Server;
    let health: number;

    before(() => buildImages("haproxy"));
    after(() => removeImages("haproxy"));
    beforeEach(async () => {
        consul = await FakeConsul.start();
        scene = await Scene.open("a");
        health = 429;
        busy = http.createServer((request, response) => {
            response.setHeader("x-instance", "busy");
            response.writeHead(request.url === "/health" ? health : 200).end();
        });
        busy.listen(0, "127.0.0.1");
        await once(busy, "listening");
        consul.has(
            { port: scene.portOf("a"), weights: { Passing: 4, Warning: 1 } },
            {
                port: (busy.address() as AddressInfo).port,
                status: "warning",
                weights: { Passing: 4, Warning: 1 },
            },
        );
        const items = { ...defaultItems, discovery: "events", slots: "4", stats_password: password };
        haproxy = await RunningHaproxy.start(await renderHaproxy({ items, ports: scene.ports }), {
            consul: { url: consul.url },
        });
        await eventually("HAProxy is alive", async () =>
            assert.equal((await scene.stats("/health")).status, 200),
        );
    });
    afterEach(async () => {
        await haproxy?.remove();
        busy.closeAllConnections();
        busy.close();
        await scene.close();
        await consul.stop();
    });

    /** How many of twenty requests it gets. */
    async function share(): Promise<number> {
        const answers = await Promise.all(Array.from({ length: 20 }, () => scene.visit()));
        return answers.filter(({ headers }) => headers["x-instance"] === "busy").length;
    }

    it("gets the share of the requests that its weight in warning gives it, and nothing when it fails", async () => {
        await eventually("HAProxy's own checks have passed", async () => {
            const { body } = await scene.stats("/;csv");
            assert.equal(body.match(/^webapp,webapp\d+,.*,L7OK,/gm)?.length, 2, body);
        });
        assert.equal(await share(), 4);
        health = 500;
        await eventually("HAProxy has found out", async () => assert.equal(await share(), 0));
    });
});
