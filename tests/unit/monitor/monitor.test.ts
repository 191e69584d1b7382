import assert from "node:assert/strict";

import { Catalog } from "../../../images/monitor/catalog";
import { createService } from "../../../images/monitor/service";
import { startConsul, type Agent } from "../../support/agents";
import { eventually } from "../../support/poll";
import { Line, Scene, Target } from "./scene";

import type { Monitor } from "../../../images/monitor/monitor";

/** Milliseconds: sooner than the question for changes ends by itself. */
const soon = 4500;

describe("the health monitor, on a real Consul", () => {
    let agent: Agent;
    let scene: Scene;
    let target: Target;
    let monitor: Monitor;
    let log: string[];
    /** Another one for every test. */
    let node: string;
    let number = 0;

    before(async function () {
        this.timeout(60_000);
        agent = await startConsul();
        scene = new Scene(agent);
    });
    after(() => agent?.stop());

    beforeEach(async () => {
        node = `edge-${++number}`;
        target = await Target.start();
        await scene.node(node);
        log = [];
        monitor = scene.monitor(undefined, log);
        monitor.start();
    });
    afterEach(async () => {
        await monitor.stop();
        await target.stop();
        await scene.remove(node);
    });

    const requestsSoon = (count: number): Promise<void> =>
        eventually(
            `${count} requests`,
            () => assert.ok(target.requests.length >= count, `${target.requests.length}`),
            { every: 10 },
        );

    it("finds a service passing soon, critical when it fails, and passing when it is back", async () => {
        await scene.service(node, "web-1", { HTTP: target.url("/up"), Interval: "500ms", Timeout: "200ms" });
        assert.ok((await scene.settled(node, "passing")) < soon);
        assert.match((await scene.checks(node))[0]!.Output, /^HTTP GET .*\/up: 200 OK Output: hello$/);
        target.status = 503;
        assert.ok((await scene.settled(node, "critical")) < soon);
        target.status = undefined;
        await eventually("the output says why", async () =>
            assert.match((await scene.checks(node))[0]!.Output, /503/),
        );
        target.status = 200;
        assert.ok((await scene.settled(node, "passing")) < soon);
        assert.deepEqual(
            log.filter((line) => line.includes("->")).map((line) => line.replace(/ \(.*/, "")),
            [
                `${node}/web-1/web-1: critical -> passing`,
                `${node}/web-1/web-1: passing -> critical`,
                `${node}/web-1/web-1: critical -> passing`,
            ],
        );
    });

    it("keeps to the interval, and never makes a check twice at once", async () => {
        await scene.service(node, "web-1", { HTTP: target.url(), Interval: "400ms", Timeout: "5s" });
        await requestsSoon(8);
        const gaps = target.requests.slice(1).map(({ at }, index) => at - target.requests[index]!.at);
        // The second run finds a place within the interval; from there on it is the interval.
        // A request that arrived late makes the next gap shorter.
        assert.ok(gaps[0]! > 120 && gaps.slice(1).every((gap) => gap > 280), gaps.join(" "));
        const median = [...gaps].sort((a, b) => a - b)[Math.floor(gaps.length / 2)]!;
        assert.ok(median < 800, gaps.join(" "));
    });

    it("leaves alone what is not its business", async () => {
        const inner = `${node}-inner`;
        await scene.node(inner, {});
        await scene.service(inner, "inner", { HTTP: target.url("/inner"), Interval: "100ms" });
        await scene.service(node, "externalNodeHealth", { HTTP: target.url("/probe"), Interval: "100ms" });
        await scene.service(node, "odd", {});
        await scene.service(node, "web-1", { HTTP: target.url("/mine"), Interval: "100ms" });
        await requestsSoon(3);
        assert.deepEqual([...new Set(target.requests.map(({ path }) => path))], ["/mine"]);
        assert.equal(monitor.size, 1);
        await scene.remove(inner);
    });

    it("judges 200 checks at once", async () => {
        const ids = Array.from({ length: 200 }, (_, index) => `web-${index}`);
        // One after the other: Consul takes no more than 200 connections of one client.
        for (const id of ids) {
            await scene.service(node, id, { HTTP: target.url(`/${id}`), Interval: "2s", Timeout: "1s" });
        }
        assert.ok((await scene.settled(node, "passing", ids.length)) < 10_000);
        assert.equal(monitor.size, ids.length);
        target.status = 500;
        await scene.settled(node, "critical", ids.length);
    });

    it("takes over another definition at once, and forgets the old one's verdict", async () => {
        await scene.service(node, "web-1", { HTTP: target.url("/old"), Interval: "1h" });
        await scene.settled(node, "passing");
        const other = await Target.start();
        const address = other.url("/new");
        other.status = 404;
        await scene.service(node, "web-1", { HTTP: address, Interval: "1h" }, "passing");
        await scene.settled(node, "critical");
        await other.stop();
        assert.deepEqual(
            target.requests.map(({ path }) => path),
            ["/old"],
        );
        assert.equal((await scene.checks(node))[0]!.Definition.HTTP, address);
    });

    it("looks again soon when somebody sets the status", async () => {
        const definition = { HTTP: target.url(), Interval: "1h" };
        await scene.service(node, "web-1", definition);
        await scene.settled(node, "passing");
        await scene.service(node, "web-1", definition, "critical");
        assert.ok((await scene.settled(node, "passing")) < soon);
    });

    it("does not bring back what is removed while it looks", async () => {
        target.status = undefined;
        await scene.service(node, "web-1", { HTTP: target.url(), Interval: "100ms", Timeout: "300ms" });
        await requestsSoon(1);
        await scene.remove(node, "web-1");
        await eventually("nothing is checked any more", () => assert.equal(monitor.size, 0));
        assert.deepEqual(await scene.checks(node), []);
    });

    it("overwrites nothing that has changed since it last looked", async () => {
        const catalog = new Catalog({ address: new URL(agent.address) });
        const { signal } = new AbortController();
        const verdict = { status: "warning", output: "seen" } as const;
        await scene.service(node, "web-1", { HTTP: target.url(), Interval: "1h" });
        await scene.settled(node, "passing");
        await monitor.stop();

        const [known] = await scene.checks(node);
        await scene.service(node, "web-1", { HTTP: target.url("/new"), Interval: "1h" });
        assert.equal(await catalog.write(known!, verdict, signal), undefined);
        const current = (await catalog.check(known!, signal))!;
        assert.equal(current.Definition.HTTP, target.url("/new"));
        assert.equal(current.Status, "critical");
        assert.equal((await catalog.write(current, verdict, signal))?.Status, "warning");

        const [latest] = await scene.checks(node);
        await scene.remove(node, "web-1");
        assert.equal(await catalog.write(latest!, verdict, signal), undefined);
        assert.equal(await catalog.check(latest!, signal), undefined);
        await scene.remove(node);
        assert.equal(await catalog.write(latest!, verdict, signal), undefined);
        assert.deepEqual(await scene.checks(node), []);
        catalog.close();
    });

    it("goes on while Consul is away, and writes when it is back", async () => {
        const line = new Line(Number(new URL(agent.address).port));
        const lines: string[] = [];
        const distant = scene.monitor(await line.open(), lines);
        // Only one of them may judge.
        await monitor.stop();
        distant.start();
        const service = createService(distant);
        const health = `http://127.0.0.1:${await service.server.listen(0, "127.0.0.1")}`;
        const status = async (path = "/health"): Promise<number> => (await fetch(health + path)).status;
        try {
            await scene.service(node, "web-1", { HTTP: target.url(), Interval: "300ms" });
            await scene.settled(node, "passing");
            assert.equal(await status(), 200);
            assert.equal(await status("/"), 404);

            line.cut();
            target.status = 500;
            await eventually("it says so", async () => assert.equal(await status(), 503));
            await requestsSoon(target.requests.length + 3);
            assert.equal((await scene.checks(node))[0]!.Status, "passing");
            line.mend();
            await scene.settled(node, "critical");
            await eventually("it says so", async () => assert.equal(await status(), 200));
            const news = lines.filter((text) => text.includes("Consul")).map((text) => text.split(",")[0]);
            assert.deepEqual(news, ["Consul answers", "Consul is lost", "Consul answers"]);
        } finally {
            await service.drain();
            await line.close();
        }
    });

    it("begins anew with a Consul that has forgotten everything", async function () {
        this.timeout(120_000);
        const definition = { HTTP: target.url(), Interval: "1h" };
        await scene.service(node, "web-1", definition);
        await scene.settled(node, "passing");
        await agent.restart();
        await eventually("nothing is checked any more", () => assert.equal(monitor.size, 0));
        await scene.node(node);
        await scene.service(node, "web-1", definition);
        await scene.settled(node, "passing");
    });
});
