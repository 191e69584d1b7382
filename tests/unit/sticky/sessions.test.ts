import * as assert from "node:assert/strict";

import { type Balancer, BalancerScene } from "../../support/balancer";
import { inside } from "../../support/docker";
import { request } from "../../support/http";
import { type LoadReport, withLoad } from "../../support/load";
import { eventually } from "../../support/poll";

const backends = ["back1", "back2", "back3"];
const urls = (...names: string[]): Record<string, string> =>
    Object.fromEntries(names.map((name) => [`BACKEND${name.slice(-1)}_URL`, `${name}:8080`]));

/** Real web servers behind the real image, in a network of their own. */
describe("the balancer in front of web servers", function () {
    this.timeout("4m");
    let scene: BalancerScene;
    let balancer: Balancer;

    before(async () => {
        scene = await BalancerScene.open("sessions");
        await Promise.all(backends.map((name) => scene.backend(name)));
        balancer = await scene.balancer({}, { command: ["serve", "--managed"] });
        // The web servers may still be starting.
        await eventually("both backends are up", async () => {
            const { code, output } = await balancer.apply({ ...own, ...urls("back1", "back2") });
            assert.equal(code, 0, output);
            assert.match(output, /back1 \(back1:8080\), back2 \(back2:8080\); 2 of 2 backends are up/);
        });
    });
    after(() => scene?.close());

    /** The settings in use besides the backends. */
    const own = { STATS_PASSWORD: "secret", LOG: "all" };

    async function applied(settings: Record<string, string>): Promise<void> {
        const { code, output } = await balancer.apply({ ...own, ...settings });
        assert.equal(code, 0, output);
    }

    /** Waits until exactly these are up. */
    const up = (...names: string[]): Promise<void> =>
        eventually(`${names.join(" and ") || "nobody"} up`, async () => {
            const { byName } = (await balancer.health()).backends;
            const found = Object.entries(byName).filter(([, state]) => state === "up");
            assert.deepEqual(found.map(([name]) => name).sort(), names);
        });

    /** Who answers so many visitors without a cookie. */
    async function visitors(count: number): Promise<Record<string, number>> {
        const seen: Record<string, number> = {};
        for (let visitor = 0; visitor < count; visitor++) {
            const { backend, status } = await balancer.visit();
            const key = backend ?? `status ${status}`;
            seen[key] = (seen[key] ?? 0) + 1;
        }
        return seen;
    }

    /** Waits until visitors are shared like that: whose turn it is may be uneven for a moment after a change. */
    const shared = (count: number, expected: Record<string, number>): Promise<void> =>
        eventually("visitors are shared", async () => assert.deepEqual(await visitors(count), expected));

    async function underLoad(
        action: () => Promise<void>,
        headers?: Record<string, string>,
    ): Promise<LoadReport> {
        const { report } = await withLoad({ url: `${await balancer.url()}/`, rate: 100, headers }, action);
        assert.equal(report.failed, 0, JSON.stringify(report, undefined, 2));
        assert.ok(report.requests > 50, `only ${report.requests} requests were sent`);
        return report;
    }

    it("gives visitors to the backends in turn", async () => {
        assert.deepEqual(await visitors(10), { back1: 5, back2: 5 });
    });

    it("keeps a visitor with a cookie where he is", async () => {
        const first = await balancer.visit();
        assert.equal(first.cookie, `SERVERID=${first.backend}`);
        const attributes = first.answer.headers["set-cookie"]?.[0]?.split("; ").slice(1) ?? [];
        assert.ok(attributes.includes("HttpOnly"), attributes.join());
        assert.ok(!attributes.includes("Secure"));
        for (let visit = 0; visit < 5; visit++) {
            const next = await balancer.visit(first.cookie);
            assert.equal(next.backend, first.backend);
            assert.equal(next.cookie, undefined, "the cookie is set once");
        }
    });

    it("tells once when a backend goes and comes", async () => {
        const said = async () => {
            const log = await balancer.log();
            return [/Server apps\/back2 is DOWN/g, /Proxy http stopped/g].map(
                (pattern) => log.match(pattern)?.length ?? 0,
            );
        };
        const [downs = 0, stops = 0] = await said();
        await scene.stopBackend("back2");
        await up("back1");
        await scene.startBackend("back2");
        await up("back1", "back2");
        await applied({ ...urls("back1", "back2"), HEALTH_PATH: "/health" });
        await applied(urls("back1", "back2"));
        await eventually("one line for the failure, and one for each reload", async () =>
            assert.deepEqual(await said(), [downs + 1, stops + 2], await balancer.log()),
        );
    });

    it("waits for a backend that is made anew until requests go to it", async () => {
        await scene.removeBackend("back2");
        // Another one takes the address that was free: back2 comes back at another.
        await scene.backend("back9");
        const waiting = balancer.awaitBackend("back2");
        await scene.backend("back2");
        const { code, output } = await waiting;
        assert.equal(code, 0, output);
        assert.match(output, /^back2 \(back2:8080\) gets requests/);
        // The first request after that is not too early.
        assert.equal((await balancer.visit("SERVERID=back2")).backend, "back2");
        const unknown = await balancer.awaitBackend("back7");
        assert.equal(unknown.code, 0);
        assert.match(unknown.output, /back7 is no backend/);
    });

    it("says what is missing when a backend does not come", async () => {
        await scene.removeBackend("back2");
        const { code, output } = await balancer.awaitBackend("back2", 2);
        assert.equal(code, 1);
        assert.match(output, /^back2 gets no requests within 2 s: .*back2/);
        await scene.backend("back2");
        await up("back1", "back2");
    });

    it("moves sessions without a failed request when a backend stops, and shares again when it is back", async () => {
        const cookie = "SERVERID=back2";
        const report = await underLoad(
            async () => {
                await scene.stopBackend("back2");
                const moved = await eventually("the session has moved", async () => {
                    const visit = await balancer.visit(cookie);
                    assert.equal(visit.backend, "back1");
                    return visit;
                });
                assert.equal(moved.cookie, "SERVERID=back1", "the session belongs to who answers now");
                await scene.startBackend("back2");
                await eventually("the old cookie works again", async () =>
                    assert.equal((await balancer.visit(cookie)).backend, "back2"),
                );
            },
            { cookie },
        );
        assert.equal(Object.keys(report.instances).length, 2);
        await shared(10, { back1: 5, back2: 5 });
    });

    it("finds a backend that is made anew with another address", async () => {
        await underLoad(async () => {
            await scene.removeBackend("back2");
            await up("back1");
            // Its old address is taken by another.
            await scene.backend("other");
            await scene.backend("back2");
            await up("back1", "back2");
        });
        await scene.removeBackend("other");
        await shared(10, { back1: 5, back2: 5 });
    });

    it("loses no session and no request when backends are added and removed", async () => {
        const cookie = "SERVERID=back1";
        const report = await underLoad(
            async () => {
                await applied(urls("back1", "back2", "back3"));
                await up("back1", "back2", "back3");
                await shared(9, { back1: 3, back2: 3, back3: 3 });
                await applied(urls("back1", "back3"));
                await up("back1", "back3");
                await applied(urls("back1", "back2"));
                await up("back1", "back2");
            },
            { cookie },
        );
        assert.equal(Object.keys(report.instances).length, 1, "the session stayed with back1");
    });

    it("takes a backend that is not there for no reason to fail", async () => {
        await applied({ ...urls("back1", "back2"), BACKEND9_URL: "nowhere:80" });
        await up("back1", "back2");
        assert.equal((await balancer.health()).backends.byName.back9, "down");
        await shared(4, { back1: 2, back2: 2 });
        await applied(urls("back1", "back2"));
    });

    it("takes nothing of wrong settings, and tells every one", async () => {
        const worker = await balancer.worker();
        const { code, output } = await balancer.apply({
            BACKEND1_URL: "web",
            ENABLE_HTTPS: "maybe",
            COLOUR: "red",
        });
        assert.equal(code, 1);
        assert.match(output, /3 settings to correct/);
        assert.match(
            output,
            /BACKEND1_URL: must be host:port[^]*ENABLE_HTTPS: must be true[^]*COLOUR: there is no/,
        );
        assert.equal(await balancer.worker(), worker, "there was no reload");
        await shared(4, { back1: 2, back2: 2 });
    });

    it("does not reload for the same settings again", async () => {
        const worker = await balancer.worker();
        await applied(urls("back1", "back2"));
        assert.equal(await balancer.worker(), worker);
    });

    it("comes back from a restart with the settings that it was given", async () => {
        await balancer.restart();
        await up("back1", "back2");
        await shared(4, { back1: 2, back2: 2 });
    });

    it("shows statistics to those with the password, and its health to everybody", async () => {
        const address = await balancer.url(1936);
        for (const path of ["/", "/metrics", "/;csv"]) {
            assert.equal((await request(address + path)).status, 401, path);
            assert.equal((await request(address + path, { auth: "admin:wrong" })).status, 401, path);
            assert.equal((await request(address + path, { auth: "admin:secret" })).status, 200, path);
        }
        const page = await request(`${address}/`, { auth: "admin:secret" });
        assert.doesNotMatch(page.body, /\b2\.6\.\d+/, "the version must not be told");
        assert.equal((await request(`${address}/ready`)).status, 200);
        assert.equal((await balancer.health()).certificate, null);
    });

    it("tells backends who the visitor is, and believes no visitor about it", async () => {
        const { body } = await request(`${await balancer.url()}/`, {
            headers: {
                accept: "application/json",
                "x-forwarded-for": "192.0.2.1",
                "x-forwarded-proto": "gopher",
            },
        });
        const { headers } = (JSON.parse(body) as { request: { headers: Record<string, string> } }).request;
        assert.notEqual(headers["x-forwarded-for"], "192.0.2.1");
        assert.equal(headers["x-forwarded-proto"], "http");
    });

    it("answers with a page of its own when nobody is up", async () => {
        await Promise.all(["back1", "back2"].map((name) => scene.stopBackend(name)));
        await up();
        const { status, body } = await request(`${await balancer.url()}/`);
        assert.equal(status, 503);
        assert.match(body, /No healthy instance can answer/);
        assert.equal((await request(`${await balancer.url(1936)}/ready`)).status, 503);
        assert.equal((await balancer.health()).alive, true);
        await Promise.all(["back1", "back2"].map((name) => scene.startBackend(name)));
        await up("back1", "back2");
        assert.equal((await balancer.visit("SERVERID=back2")).backend, "back2");
    });

    it("stops softly: what runs is finished", async () => {
        assert.equal(await balancer.stop(), 0);
        assert.match(await balancer.log(), /SIGTERM: stopping/);
    });
});

describe("the balancer's image with docker run alone", function () {
    this.timeout("2m");
    let scene: BalancerScene;
    before(async () => {
        scene = await BalancerScene.open("run");
        await Promise.all(["back1", "back2"].map((name) => scene.backend(name)));
    });
    after(() => scene?.close());

    it("balances as the document's environment says", async () => {
        const balancer = await scene.balancer({
            DOMAIN_NAME: "yourdomain.com",
            EMAIL_ADDRESS: "your@email.com",
            BACKEND1_URL: "back1:8080",
            BACKEND2_URL: "back2:8080",
            ENABLE_HTTPS: "false",
        });
        await eventually("both answer", async () =>
            assert.deepEqual(
                new Set([(await balancer.visit()).backend, (await balancer.visit()).backend]),
                new Set(["back1", "back2"]),
            ),
        );
        const { code, output } = await balancer.apply({ BACKEND1_URL: "back2:8080" });
        assert.equal(code, 1);
        assert.match(output, /set by its environment/);
        assert.equal((await request(await balancer.url(1936))).status, 404, "no password, no statistics");
        // Docker's own opinion.
        await eventually("Docker finds it healthy", async () =>
            assert.equal(await balancer.dockerHealth(), "healthy"),
        );
    });

    it("refuses a wrong environment before it listens, and tells all of it", async () => {
        const { code, output } = await scene.refused({ ENABLE_HTTPS: "true", BACKEND1_URL: "web" });
        assert.equal(code, 1);
        assert.match(output, /2 settings to correct:\n {2}BACKEND1_URL: .*\n {2}DOMAIN_NAME: /);
    });

    it("ends when HAProxy ends, with its failure", async () => {
        const balancer = await scene.balancer({ BACKEND1_URL: "back1:8080" }, { name: "doomed" });
        await balancer.killHaproxy();
        await eventually("the container has ended", async () =>
            assert.notEqual(await balancer.exitCode(), undefined),
        );
        assert.notEqual(await balancer.exitCode(), 0);
        assert.match(await balancer.log(), /haproxy has ended with code/);
    });

    it("passes on HAProxy's last words", async () => {
        const balancer = await scene.balancer({ BACKEND1_URL: "back1:8080" }, { name: "crashing" });
        const kill = `process.kill(${await balancer.worker()}, "SIGSEGV")`;
        // The container may be gone before this has said that it is done.
        await inside(balancer.container, "node", "-e", kill).catch(() => undefined);
        await eventually("the container has ended", async () => assert.equal(await balancer.exitCode(), 139));
        assert.match(await balancer.log(), /\[ALERT\] .*Current worker \(\d+\) exited with code 139/);
        assert.match(await balancer.log(), /All workers exited/);
    });
});
