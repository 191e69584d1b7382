import * as assert from "node:assert/strict";

import { type Agent, startConsul } from "../../support/agents";
import { eventually } from "../../support/poll";
import { get } from "../apps/http";
import { RunningHaproxy } from "./container";
import { buildImages, removeImages } from "./image";
import { defaultItems, renderHaproxy } from "./render";
import { assertNoneFailed, holdPort, password, Scene } from "./scene";

/** A real Consul, real instances of the application and the lab's HAProxy between them and the load. */
for (const discovery of ["dns", "events"]) {
    describe(`HAProxy under load, discovery by ${discovery}`, function () {
        this.timeout("3m");
        sameForAll(discovery);
    });
}

function sameForAll(discovery: string): void {
    let consul: Agent;
    let haproxy: RunningHaproxy;
    let scene: Scene;

    before(async () => {
        await buildImages("haproxy");
        consul = await startConsul();
        scene = await Scene.open("a", "b", "c", "d");
        await register("a", "b");
        haproxy = await RunningHaproxy.start(await render(), { consul: { url: consul.address } });
        await eventually("HAProxy is ready", async () =>
            assert.equal((await scene.stats("/ready")).status, 200),
        );
    });
    after(async () => {
        await haproxy?.remove();
        await scene?.close();
        await consul?.stop();
        await removeImages("haproxy");
    });

    async function register(...names: string[]): Promise<void> {
        for (const name of names) {
            const service = {
                ID: name,
                Name: "demo-webapp",
                Address: "127.0.0.1",
                Port: scene.portOf(name),
            };
            await put("/v1/agent/service/register", JSON.stringify(service));
        }
    }

    async function deregister(...names: string[]): Promise<void> {
        for (const name of names) {
            await put(`/v1/agent/service/deregister/${name}`);
        }
    }

    async function put(path: string, body?: string): Promise<void> {
        const { ok, status } = await fetch(consul.address + path, { method: "PUT", body });
        assert.ok(ok, `${path}: ${status}`);
    }

    const render = (items: Record<string, string> = {}): Promise<string> =>
        renderHaproxy({
            items: { ...defaultItems, discovery, stats_password: password, ...items },
            ports: scene.ports,
            consulDns: `127.0.0.1:${consul.ports.dns}`,
        });

    for (const keepAlive of [true, false]) {
        const connections = keepAlive ? "kept-alive connections" : "a connection a request";

        it(`loses no request in reloads that change the number of slots (${connections})`, async () => {
            const report = await scene.underLoad(keepAlive, async () => {
                for (const slots of ["32", "8", "16"]) {
                    const { code, output } = await haproxy.reload(await render({ slots }));
                    assert.equal(code, 0, output);
                    await eventually("the new slots are there", async () =>
                        assert.equal(
                            (await scene.stats("/;csv")).body.match(/^webapp,webapp\d/gm)?.length,
                            Number(slots),
                        ),
                    );
                }
            });
            assertNoneFailed(report);
        });

        it(`loses no request while instances come and go (${connections})`, async () => {
            const report = await scene.underLoad(keepAlive, async () => {
                // More rounds than there are slots: freed ones must be used again.
                for (let round = 0; round < 5; round++) {
                    await register("c", "d");
                    await scene.answers("a b c d");
                    await deregister("a", "b");
                    await scene.answers("c d");
                    await register("a", "b");
                    await scene.answers("a b c d");
                    await deregister("c", "d");
                    await scene.answers("a b");
                }
            });
            assertNoneFailed(report);
        });
    }

    it("goes over to the other form and back without a failed request, and uses nobody who is gone", async () => {
        for (const form of [discovery === "dns" ? "events" : "dns", discovery]) {
            const report = await scene.underLoad(true, async () => {
                const { code, output } = await haproxy.reload(await render({ discovery: form }));
                assert.equal(code, 0, output);
                await scene.answers("a b");
                await register("c");
                await scene.answers("a b c");
                await deregister("c");
                await scene.answers("a b");
            });
            assertNoneFailed(report);
            // Servers that nobody has filled are out of use, whatever the form before has made of them.
            const { body } = await scene.stats("/;csv");
            const used = body
                .split("\n")
                .filter((line) => /^webapp,webapp\d.*,(UP|DOWN|no check)/.test(line));
            assert.ok(used.length <= 4, used.join("\n"));
        }
    });

    it("loses no GET when an instance dies", async () => {
        const report = await scene.underLoad(true, async () => {
            scene.killInstance("b");
            await scene.answers("a");
        });
        await deregister("b");
        await scene.startInstances("b");
        await register("b");
        await scene.answers("a b");
        assertNoneFailed(report);
    });

    it("tells what it knows behind the password only, and its health to everybody", async () => {
        const address = `http://127.0.0.1:${scene.ports.stats}`;
        for (const path of ["/", "/metrics", "/;csv"]) {
            assert.equal((await get(address + path)).status, 401, path);
            assert.equal((await scene.stats(path)).status, 200, path);
        }
        assert.match(
            (await scene.stats("/metrics")).body,
            /^haproxy_backend_active_servers\{proxy="webapp"\} 2$/m,
        );
        assert.doesNotMatch((await scene.stats("/")).body, /2\.\d+\.\d+/, "the version must not be told");
        assert.equal((await get(`${address}/health`)).status, 200);
    });

    it("sets X-Forwarded-For itself", async () => {
        const headers = { "X-Forwarded-For": "192.0.2.1", Accept: "application/json" };
        const { body } = await get(`http://127.0.0.1:${scene.ports.http}/`, { headers });
        const { request } = JSON.parse(body) as { request: { headers: Record<string, string> } };
        assert.equal(request.headers["x-forwarded-for"], "127.0.0.1");
    });

    it("keeps running, and comes back, when a wrong configuration is rendered", async () => {
        const { code, output } = await haproxy.reload(await render({ slots: "0" }));
        assert.notEqual(code, 0);
        assert.match(output, /the new configuration is wrong; the running one stays/);
        assert.equal(await scene.used(), "a b");
        await haproxy.restart();
        await scene.answers("a b", { within: 30 });
        assert.match(await haproxy.log(), /starting with the last good one/);
        assert.equal((await haproxy.reload(await render())).code, 0);
    });

    it("goes on with the configuration before when a port of the new one is taken", async () => {
        const holder = await holdPort();
        const more = `\nfrontend more\n    bind 127.0.0.1:${holder.port}\n    default_backend webapp\n`;
        const wanted = (await render()) + more;
        try {
            const { code, output } = await haproxy.reload(wanted);
            assert.equal(code, 2, output);
            assert.match(output, /the reload failed; going back to the configuration before/);
            assert.equal(await scene.used(), "a b");
        } finally {
            await holder.release();
        }
        // The master may still be busy with going back.
        await eventually("it is taken over", async () => {
            const { code, output } = await haproxy.reload(wanted);
            assert.equal(code, 0, output);
        });
        await eventually("the new port answers", async () =>
            assert.equal((await get(`http://127.0.0.1:${holder.port}/`)).status, 200),
        );
        assert.equal((await haproxy.reload(await render())).code, 0);
    });

    it("is not ready, but healthy, without instances, and says so on a page of its own", async () => {
        await scene.drainInstances("a", "b");
        await eventually("HAProxy is not ready", async () =>
            assert.equal((await scene.stats("/ready")).status, 503),
        );
        assert.equal((await scene.stats("/health")).status, 200);
        const { status, body } = await get(`http://127.0.0.1:${scene.ports.http}/`);
        assert.equal(status, 503);
        assert.match(body, /No healthy instance can answer/);
    });

    it("stops softly", async () => {
        assert.equal(await haproxy.stop(), 0);
    });
}
