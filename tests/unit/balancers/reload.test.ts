import * as assert from "node:assert/strict";
import * as http from "node:http";
import { once } from "node:events";

import type { GracefulServer } from "../../../images/common/graceful";
import { createHello } from "../../../images/hello/server";
import { type Agent, startConsul } from "../../support/agents";
import { type LoadReport, withLoad } from "../../support/load";
import { eventually } from "../../support/poll";
import { type Answer, get } from "../apps/http";
import { buildHaproxyImage, removeHaproxyImage, RunningHaproxy } from "./container";
import { defaultItems, renderHaproxy } from "./render";

const password = "unit";
const authorization = `Basic ${Buffer.from(`admin:${password}`).toString("base64")}`;

/** A real Consul, real instances of the application and the lab's HAProxy between them and the load. */
describe("HAProxy under load", function () {
    this.timeout("3m");
    let consul: Agent;
    let haproxy: RunningHaproxy;
    let ports: { http: number; stats: number };
    const instances = new Map<string, { hello: GracefulServer; port: number }>();

    before(async () => {
        await buildHaproxyImage();
        consul = await startConsul();
        ports = { http: await freePort(), stats: await freePort() };
        for (const name of ["a", "b", "c", "d"]) {
            await startInstance(name);
        }
        await register("a", "b");
        haproxy = await RunningHaproxy.start(await render());
        await eventually("HAProxy is ready", async () => assert.equal((await stats("/ready")).status, 200));
    });
    after(async () => {
        await haproxy?.remove();
        await Promise.all([...instances.values()].map(({ hello }) => hello.drain()));
        await consul?.stop();
        await removeHaproxyImage();
    });

    async function startInstance(name: string): Promise<void> {
        const options = { name, instance: name, node: "test", nodeAddress: "127.0.0.1", port: 0 };
        const hello = createHello({ ...options, drainDelayMs: 0 });
        instances.set(name, { hello, port: await hello.listen(0, "127.0.0.1") });
    }

    async function register(...names: string[]): Promise<void> {
        for (const name of names) {
            const service = {
                ID: name,
                Name: "demo-webapp",
                Address: "127.0.0.1",
                Port: instances.get(name)!.port,
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
            items: { ...defaultItems, stats_password: password, ...items },
            ports,
            consulDns: `127.0.0.1:${consul.ports.dns}`,
        });

    const stats = (path: string): Promise<Answer> =>
        get(`http://127.0.0.1:${ports.stats}${path}`, { headers: { authorization } });

    /** Names of the instances that HAProxy uses, as many answers as it takes to see each. */
    async function used(): Promise<string> {
        const seen = new Set<string>();
        for (let request = 0; request < 3 * instances.size; request++) {
            const { status, headers } = await get(`http://127.0.0.1:${ports.http}/`);
            seen.add(String(headers["x-instance"] ?? `status ${status}`));
        }
        return [...seen].sort().join(" ");
    }

    const underLoad = async (keepAlive: boolean, action: () => Promise<void>): Promise<LoadReport> =>
        (await withLoad({ url: `http://127.0.0.1:${ports.http}/`, rate: 200, keepAlive }, action)).report;

    function assertNoneFailed(report: LoadReport): void {
        assert.equal(report.failed, 0, JSON.stringify(report, undefined, 2));
        assert.ok(report.requests > 100, `only ${report.requests} requests were sent`);
    }

    for (const keepAlive of [true, false]) {
        const connections = keepAlive ? "kept-alive connections" : "a connection a request";

        it(`loses no request in reloads that change the number of slots (${connections})`, async () => {
            const report = await underLoad(keepAlive, async () => {
                for (const slots of ["32", "8", "16"]) {
                    const { code, output } = await haproxy.reload(await render({ slots }));
                    assert.equal(code, 0, output);
                    await eventually("the new slots are there", async () =>
                        assert.equal(
                            (await stats("/;csv")).body.match(/^webapp,webapp\d/gm)?.length,
                            Number(slots),
                        ),
                    );
                }
            });
            assertNoneFailed(report);
        });

        it(`loses no request while instances come and go (${connections})`, async () => {
            const report = await underLoad(keepAlive, async () => {
                // More rounds than there are slots: freed ones must be used again.
                for (let round = 0; round < 5; round++) {
                    await register("c", "d");
                    await eventually("c and d are used", async () => assert.equal(await used(), "a b c d"), {
                        every: 50,
                    });
                    await deregister("a", "b");
                    await eventually("a and b are not", async () => assert.equal(await used(), "c d"), {
                        every: 50,
                    });
                    await register("a", "b");
                    await eventually("a and b are back", async () => assert.equal(await used(), "a b c d"), {
                        every: 50,
                    });
                    await deregister("c", "d");
                    await eventually("c and d are gone", async () => assert.equal(await used(), "a b"), {
                        every: 50,
                    });
                }
            });
            assertNoneFailed(report);
        });
    }

    it("loses no GET when an instance dies", async () => {
        const report = await underLoad(true, async () => {
            const { hello } = instances.get("b")!;
            hello.server.closeAllConnections();
            hello.server.close();
            await eventually("only a answers", async () => assert.equal(await used(), "a"));
        });
        await deregister("b");
        await startInstance("b");
        await register("b");
        await eventually("b is back", async () => assert.equal(await used(), "a b"));
        assertNoneFailed(report);
    });

    it("tells what it knows behind the password only, and its health to everybody", async () => {
        const address = `http://127.0.0.1:${ports.stats}`;
        for (const path of ["/", "/metrics", "/;csv"]) {
            assert.equal((await get(address + path)).status, 401, path);
            assert.equal((await stats(path)).status, 200, path);
        }
        assert.match((await stats("/metrics")).body, /^haproxy_backend_active_servers\{proxy="webapp"\} 2$/m);
        assert.doesNotMatch((await stats("/")).body, /2\.\d+\.\d+/, "the version must not be told");
        assert.equal((await get(`${address}/health`)).status, 200);
    });

    it("sets X-Forwarded-For itself", async () => {
        const headers = { "X-Forwarded-For": "192.0.2.1", Accept: "application/json" };
        const { body } = await get(`http://127.0.0.1:${ports.http}/`, { headers });
        const { request } = JSON.parse(body) as { request: { headers: Record<string, string> } };
        assert.equal(request.headers["x-forwarded-for"], "127.0.0.1");
    });

    it("keeps running, and comes back, when a wrong configuration is rendered", async () => {
        const { code, output } = await haproxy.reload(await render({ slots: "0" }));
        assert.notEqual(code, 0);
        assert.match(output, /the new configuration is wrong; the running one stays/);
        assert.equal(await used(), "a b");
        await haproxy.restart();
        await eventually("HAProxy is back", async () => assert.equal(await used(), "a b"));
        assert.match(await haproxy.log(), /starting with the last good one/);
        assert.equal((await haproxy.reload(await render())).code, 0);
    });

    it("is not ready, but healthy, without instances, and says so on a page of its own", async () => {
        await Promise.all(["a", "b"].map((name) => instances.get(name)!.hello.drain()));
        await eventually("HAProxy is not ready", async () =>
            assert.equal((await stats("/ready")).status, 503),
        );
        assert.equal((await stats("/health")).status, 200);
        const { status, body } = await get(`http://127.0.0.1:${ports.http}/`);
        assert.equal(status, 503);
        assert.match(body, /No healthy instance can answer/);
    });

    it("stops softly", async () => {
        assert.equal(await haproxy.stop(), 0);
    });
});

async function freePort(): Promise<number> {
    const server = http.createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    server.close();
    await once(server, "close");
    return port;
}
