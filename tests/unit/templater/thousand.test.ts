import * as assert from "node:assert/strict";

import { pause } from "../../support/poll";
import type { Registration } from "./catalogue";
import { Peers } from "./peers";
import { RenderedScene } from "./scene";

const count = 1000;
/** The templater's defaults: reloads at once, and seconds for each one more. */
const [burst, gap] = [5, 1];

describe("a thousand services beside one", function () {
    this.timeout("3m");
    let scene: RenderedScene;
    let peers: Peers;
    let services: Registration[];

    before(async () => {
        peers = await Peers.start(count);
        services = peers.ports.map((port) => ({
            id: `s${port}`,
            service: `s${port}`,
            address: peers.address,
            port,
        }));
        const names = ["web", ...services.map(({ id }) => id)];
        scene = await RenderedScene.prepare(["a", "b"], { SERVICES: names.join(" ") });
    });
    after(async () => {
        await scene?.close();
        await peers?.remove();
    });

    it("are all rendered, and reachable by their names", async () => {
        await scene.register(["a", "b"]);
        await scene.catalogue.registerMany(services);
        await scene.balancer.startHaproxy();
        await scene.balancer.startTemplater();
        await scene.answers("a b", { within: 60, every: 200 });
        const servers = await scene.balancer.servers();
        assert.deepEqual(
            servers.slice(2),
            services.map(({ id, port }) => `${id} ${peers.address}:${port}`),
        );
        for (const { id, port } of services) {
            const { status, headers } = await scene.visit(`${id}.service`);
            assert.deepEqual([status, headers["x-instance"]], [200, String(port)], id);
        }
    });

    it("cost no more reloads than the bound when one of them flaps, and `web` loses no request", async () => {
        const flapping = services[0]!;
        const host = `${flapping.id}.service`;
        const say = (status: "passing" | "critical"): Promise<void> =>
            scene.catalogue.register({ ...flapping, status });
        const begin = Date.now();
        const before = await scene.balancer.counter("reloads");
        await scene.losesNothing(async () => {
            for (let n = 0; Date.now() < begin + 5000; n++) {
                await say(n % 2 === 0 ? "critical" : "passing");
                await pause(100);
            }
            await say("critical");
            await scene.answers("status 503", { host });
            await say("passing");
            await scene.answers(String(flapping.port), { host });
        });
        const made = (await scene.balancer.counter("reloads")) - before;
        const seconds = (Date.now() - begin) / 1000;
        assert.ok(made <= burst + seconds / gap, `${made} reloads in ${seconds.toFixed(1)} seconds`);
    });

    it("leave `web` as quick as it was: a new instance answers within seconds", async () => {
        await scene.startInstances("c");
        await scene.losesNothing(async () => {
            await scene.register("c");
            await scene.answers("a b c", { within: 10 });
        });
    });
});
