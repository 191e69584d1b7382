import * as assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";

import type { GracefulServer } from "../../../images/common/graceful";
import { createHello } from "../../../images/hello/server";
import { type Agent, startConsul } from "../../support/agents";
import { type LoadReport, withLoad } from "../../support/load";
import { eventually } from "../../support/poll";
import { type Answer, get } from "../apps/http";
import { buildImages, removeImages, RunningBalancer } from "./containers";

const password = "unit";
const authorization = `Basic ${Buffer.from(`admin:${password}`).toString("base64")}`;

/** A real Consul, real instances, and HAProxy with the templater between them and the load. */
describe("HAProxy rendered by consul-template", function () {
    this.timeout("3m");
    let consul: Agent;
    let balancer: RunningBalancer;
    let ports: { http: number; stats: number };
    const instances = new Map<string, { hello: GracefulServer; port: number }>();

    before(async () => {
        await buildImages();
        consul = await startConsul();
        ports = { http: await freePort(), stats: await freePort() };
        for (const name of ["a", "b", "c", "d"]) {
            const options = { name, instance: name, node: "test", nodeAddress: "127.0.0.1", port: 0 };
            const hello = createHello({ ...options, drainDelayMs: 0 });
            instances.set(name, { hello, port: await hello.listen(0, "127.0.0.1") });
        }
        balancer = new RunningBalancer({
            consul: consul.address,
            ports,
            password,
            settings: { GUARD_HOLD: "4" },
        });
    });
    after(async () => {
        await balancer?.remove();
        await Promise.all([...instances.values()].map(({ hello }) => hello.drain()));
        await consul?.stop();
        await removeImages();
    });

    const put = async (path: string, body?: unknown): Promise<void> => {
        const answer = await fetch(consul.address + path, {
            method: "PUT",
            body: body === undefined ? undefined : JSON.stringify(body),
        });
        assert.ok(answer.ok, `${path}: ${answer.status} ${await answer.text()}`);
    };

    // In the catalogue itself, on a node without an agent, as the lab does it.
    const register = async (name: string, status = "passing", change: object = {}): Promise<void> =>
        put("/v1/catalog/register", {
            Node: "external",
            Address: "127.0.0.1",
            Service: {
                ID: name,
                Service: "web",
                Address: "127.0.0.1",
                Port: instances.get(name)?.port,
                ...change,
            },
            Check: {
                CheckID: `check-${name}`,
                Name: name,
                ServiceID: (change as { ID?: string }).ID ?? name,
                Status: status,
            },
        });
    const deregister = (name: string): Promise<void> =>
        put("/v1/catalog/deregister", { Node: "external", ServiceID: name });

    const stats = (path: string): Promise<Answer> =>
        get(`http://127.0.0.1:${ports.stats}${path}`, { headers: { authorization } });

    /** Who answers, as many answers as it takes to see each. */
    async function used(): Promise<string> {
        const seen = new Set<string>();
        for (let n = 0; n < 2 * instances.size; n++) {
            const { status, headers } = await get(`http://127.0.0.1:${ports.http}/`);
            seen.add(String(headers["x-instance"] ?? `status ${status}`));
        }
        return [...seen].sort().join(" ");
    }

    const answers = (expected: string, within = 10): Promise<void> =>
        eventually(`${expected} answer`, async () => assert.equal(await used(), expected), {
            within,
            every: 20,
        });

    const underLoad = async (keepAlive: boolean, action: () => Promise<void>): Promise<LoadReport> =>
        (await withLoad({ url: `http://127.0.0.1:${ports.http}/`, rate: 200, keepAlive }, action)).report;

    function assertNoneFailed(report: LoadReport): void {
        assert.equal(report.failed, 0, JSON.stringify(report, undefined, 2));
        assert.ok(report.requests > 100, `only ${report.requests} requests were sent`);
    }

    it("has its ports open, and a page that says why, before anything is rendered", async () => {
        await balancer.startHaproxy();
        await eventually("HAProxy is alive", async () => assert.equal((await stats("/health")).status, 200));
        assert.equal((await stats("/ready")).status, 503);
        const { status, body } = await get(`http://127.0.0.1:${ports.http}/`);
        assert.equal(status, 503);
        assert.match(body, /No healthy instance can answer/);
    });

    it("renders the instances that pass, and no other", async () => {
        await register("a");
        await register("b");
        await register("c", "critical");
        await balancer.startTemplater();
        await answers("a b");
        assert.equal((await stats("/ready")).status, 200);
        assert.equal((await get(`http://127.0.0.1:${ports.stats}/`)).status, 401);
        assert.equal((await stats("/")).status, 200);
        const expected = ["a", "b"].map((name) => `${name} 127.0.0.1:${instances.get(name)!.port}`);
        await eventually("HAProxy reads them", async () =>
            assert.deepEqual(await balancer.servers(), expected),
        );
    });

    for (const keepAlive of [true, false]) {
        it(`loses no request while instances come and go (${keepAlive ? "kept alive" : "a connection each"})`, async () => {
            const report = await underLoad(keepAlive, async () => {
                for (let round = 0; round < 4; round++) {
                    await register("c");
                    await register("d");
                    await answers("a b c d");
                    await register("a", "critical");
                    await deregister("b");
                    await answers("c d");
                    await register("a");
                    await register("b");
                    await answers("a b c d");
                    await deregister("c");
                    await register("d", "critical");
                    await answers("a b");
                }
            });
            assertNoneFailed(report);
            assert.match(await balancer.log("templater"), /the new configuration is active/);
        });
    }

    it("takes a server's new port, and not the one that HAProxy remembers", async () => {
        await register("a", "passing", { Port: instances.get("c")!.port });
        await answers("b c");
        await register("a");
        await answers("a b");
    });

    it("answers 503 at once when the catalogue says that no instance passes, and recovers", async () => {
        await register("a", "critical");
        await register("b", "critical");
        await answers("status 503", 3);
        await register("b");
        await answers("b", 3);
        await register("a");
        await answers("a b", 3);
    });

    it("does not believe a catalogue that is suddenly empty until it has said so for a while", async () => {
        await deregister("d");
        await answers("a b");
        const held = await balancer.counter("held");
        const report = await underLoad(true, async () => {
            await deregister("a");
            await deregister("b");
            await eventually("the list is held back", async () =>
                assert.ok((await balancer.counter("held")) > held),
            );
            assert.match(await used(), /b$/);
            await register("a");
            await register("b");
            await answers("a b");
        });
        assertNoneFailed(report);
        await deregister("a");
        await deregister("b");
        await answers("status 503");
        assert.match(await balancer.log("templater"), /the catalogue still lists 0 of web; believed/);
        await register("a");
        await register("b");
        await answers("a b");
    });

    it("goes on while Consul is away, and follows it when it is back", async () => {
        const report = await underLoad(true, async () => {
            await consul.restart(); // an agent in development mode comes back with an empty catalogue
            await register("b");
            await register("c");
            await answers("b c", 20);
        });
        assertNoneFailed(report);
        await register("a");
        await deregister("c");
        await answers("a b");
    });

    it("finishes a change that HAProxy's death has interrupted", async () => {
        await balancer.docker("kill", "haproxy");
        await register("c");
        await eventually("the change is accepted", async () =>
            assert.match(await balancer.inside("cat", "/run/haproxy/accepted.cfg"), /server c /),
        );
        await balancer.docker("start", "haproxy");
        await answers("a b c");
        await balancer.docker("kill", "templater");
        await deregister("c");
        await balancer.docker("start", "templater");
        await answers("a b");
    });

    it("takes nothing into the configuration that an instance says of itself", async () => {
        await register("evil", "passing", {
            ID: 'x\n    server y 127.0.0.1:1\n#"',
            Address: "127.0.0.1",
            Port: 9,
        });
        await register("name", "passing", { ID: "name", Address: "example.org\n    bind :1", Port: 80 });
        await register("port", "passing", { ID: "port", Address: "127.0.0.1", Port: 0 });
        await register("six", "passing", { ID: "six", Address: "::1", Port: 9 });
        await register("c");
        await eventually("c answers, too", async () => assert.match(await used(), /a b c/));
        const servers = await balancer.servers();
        assert.deepEqual(
            servers.filter((line) => !/^[abc] /.test(line)),
            ["six ::1:9", "x_____server_y_127.0.0.1_1___ 127.0.0.1:9"],
        );
        for (const id of ['x\n    server y 127.0.0.1:1\n#"', "name", "port", "six", "c"]) {
            await deregister(id);
        }
        await answers("a b", 20);
    });

    it("keeps what runs when the rendered configuration is wrong", async () => {
        const before = await balancer.counter("wrong");
        await balancer.inside(
            "sh",
            "-c",
            "sed 's/balance roundrobin/balance nonsense/' /run/haproxy/rendered.cfg > /run/haproxy/broken.cfg; " +
                "haproxy-render /run/haproxy/broken.cfg",
        );
        assert.equal(await balancer.counter("wrong"), before + 1);
        await balancer.inside(
            "sh",
            "-c",
            ": > /run/haproxy/broken.cfg; haproxy-render /run/haproxy/broken.cfg",
        );
        assert.equal(await used(), "a b");
    });

    for (const keepAlive of [true, false]) {
        it(`loses no request in a reload every 100 ms (${keepAlive ? "kept alive" : "a connection each"})`, async () => {
            const report = await underLoad(keepAlive, async () => {
                const socket = "UNIX-CONNECT:/run/haproxy/master.sock";
                const reloads = await balancer.inside(
                    "sh",
                    "-c",
                    `n=0; while [ $n -lt 40 ]; do echo reload | socat - ${socket} && echo reloaded; sleep 0.1; n=$((n + 1)); done`,
                );
                const made = reloads.split("reloaded").length - 1;
                assert.ok(made >= 20, `only ${made} reloads were made`);
            });
            assertNoneFailed(report);
            assert.equal(await used(), "a b");
        });
    }

    it("bounds the reloads of a flapping instance", async () => {
        const before = await balancer.counter("reloads");
        const report = await underLoad(false, async () => {
            const end = Date.now() + 6000;
            for (let n = 0; Date.now() < end; n++) {
                await register("c", n % 2 === 0 ? "passing" : "critical");
                await new Promise((resolve) => setTimeout(resolve, 100));
            }
            await register("c");
            await answers("a b c");
        });
        assertNoneFailed(report);
        const reloads = (await balancer.counter("reloads")) - before;
        assert.ok(reloads <= 12, `${reloads} reloads in six seconds`);
        await deregister("c");
        await answers("a b");
    });

    it("changes the templater's settings while traffic goes on", async () => {
        const report = await underLoad(true, async () => {
            await balancer.changeTemplater({ HEALTH_PATH: "/" });
            await eventually("HAProxy asks for /", async () =>
                assert.match(await balancer.inside("cat", "/run/haproxy/haproxy.cfg"), /httpchk GET \/\n/),
            );
        });
        assertNoneFailed(report);
    });

    it("refuses settings that cannot be, all at once", async () => {
        const log = await balancer.changeTemplater({ STATS_PASSWORD: "a b", GUARD_MIN_SHARE: "2" }).then(() =>
            eventually("it has ended", async () => {
                const text = await balancer.log("templater");
                assert.match(text, /these settings are wrong/);
                return text;
            }),
        );
        assert.match(log, /STATS_PASSWORD/);
        assert.match(log, /GUARD_MIN_SHARE/);
        assert.equal(await used(), "a b");
    });
});

async function freePort(): Promise<number> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    server.close();
    await once(server, "close");
    return port;
}
