import * as assert from "node:assert/strict";

import { eventually, pause } from "../../support/poll";
import { assertNoneFailed, holdPort } from "../balancers/scene";
import { RenderedScene } from "./scene";

describe("reloads of a rendered HAProxy", function () {
    this.timeout("3m");
    let scene: RenderedScene;

    before(async () => {
        scene = await RenderedScene.prepare(["a", "b", "c"]);
        await scene.run("a", "b");
    });
    after(() => scene?.close());

    it("finishes a change that HAProxy's death has interrupted", async () => {
        await scene.balancer.docker("kill", "haproxy");
        await scene.register("c");
        await eventually("the change is accepted", async () =>
            assert.match(await scene.balancer.inside("cat", "/run/haproxy/accepted.cfg"), /server c /),
        );
        await scene.balancer.docker("start", "haproxy");
        await scene.answers("a b c");
        await scene.balancer.docker("kill", "templater");
        await scene.deregister("c");
        await scene.balancer.docker("start", "templater");
        await scene.answers("a b");
    });

    it("keeps what runs when the rendered configuration is wrong", async () => {
        const shell = (script: string): Promise<string> => scene.balancer.inside("sh", "-c", script);
        const before = await scene.balancer.counter("wrong");
        await shell(
            "sed 's/balance roundrobin/balance nonsense/' /run/haproxy/rendered.cfg > /run/haproxy/broken.cfg; " +
                "haproxy-render /run/haproxy/broken.cfg",
        );
        assert.equal(await scene.balancer.counter("wrong"), before + 1);
        await shell(": > /run/haproxy/broken.cfg; haproxy-render /run/haproxy/broken.cfg");
        assert.equal(await scene.used(), "a b");
    });

    for (const keepAlive of [true, false]) {
        it(`lose no request, one every 100 ms (${keepAlive ? "kept alive" : "a connection each"})`, async () => {
            const report = await scene.underLoad(keepAlive, async () => {
                const socket = "UNIX-CONNECT:/run/haproxy/master.sock";
                const reloads = await scene.balancer.inside(
                    "sh",
                    "-c",
                    `n=0 made=0
                    while [ $n -lt 40 ] || { [ $made -lt 20 ] && [ $n -lt 400 ]; }; do
                        if echo reload | socat - ${socket}; then echo reloaded; made=$((made + 1)); fi
                        sleep 0.1
                        n=$((n + 1))
                    done`,
                );
                const made = reloads.split("reloaded").length - 1;
                assert.ok(made >= 20, `only ${made} reloads were made`);
            });
            assertNoneFailed(report);
            await scene.answers("a b");
        });
    }

    /** The templater's defaults: five reloads at once, and then one a second. */
    const mostSince = (begin: number): number => 5 + (Date.now() - begin) / 1000;

    it("are bounded when an instance flaps", async () => {
        const begin = Date.now();
        const before = await scene.balancer.counter("reloads");
        const report = await scene.underLoad(false, async () => {
            const end = Date.now() + 6000;
            for (let n = 0; Date.now() < end; n++) {
                await scene.register("c", { status: n % 2 === 0 ? "passing" : "critical" });
                await pause(100);
            }
            await scene.register("c");
            await scene.answers("a b c");
        });
        assertNoneFailed(report);
        const reloads = (await scene.balancer.counter("reloads")) - before;
        const most = mostSince(begin);
        assert.ok(reloads <= most, `${reloads} reloads, and not at most ${most}`);
        await scene.deregister("c");
        await scene.answers("a b");
    });

    it("are bounded, and come to an end, when an instance moves all the time", async () => {
        const begin = Date.now();
        const before = await scene.balancer.counter("reloads");
        let [moves, seconds] = [0, 0];
        const made = async (): Promise<number> => (await scene.balancer.counter("reloads")) - before;
        await scene.losesNothing(async () => {
            const start = Date.now();
            // Five reloads may take a busy machine longer than four seconds.
            while (seconds < 4 || (seconds < 30 && (await made()) < 5)) {
                await scene.register("c", { port: scene.portOf(moves % 2 === 0 ? "c" : "b") });
                moves++;
                await pause(50);
                seconds = (Date.now() - start) / 1000;
            }
            await scene.register("c");
            await scene.answers("a b c");
        });
        const reloads = await made();
        assert.ok(moves > 2 * (5 + seconds), `only ${moves} moves in ${seconds} seconds`);
        assert.ok(reloads >= 5 && reloads <= mostSince(begin), `${reloads} reloads for ${moves} moves`);
        await scene.deregister("c");
        await scene.answers("a b");
    });

    /** A reload has failed since there were so many of them, and it is said. */
    const hasFailed = (before: number): Promise<void> =>
        eventually("a reload has failed", async () => {
            assert.ok((await scene.balancer.counter("failed_reloads")) > before);
            assert.match(
                await scene.balancer.lastError(),
                /^\d{4}-\d\d-\d\dT\S+Z HAProxy could not load the new configuration; the one before stays$/m,
            );
        });

    /** HAProxy's file names these servers: nothing that was done without a reload is left to be written into it. */
    const isWrittenDown = (...names: string[]): Promise<void> =>
        eventually("the file names what HAProxy uses", async () =>
            assert.deepEqual(
                await scene.balancer.servers(),
                names.map((name) => `${name} 127.0.0.1:${scene.portOf(name)}`),
            ),
        );

    it("that fail do not keep a server in that is gone, nor a new one out", async () => {
        const page = "/etc/haproxy/errors/unavailable.html";
        const failures = await scene.balancer.counter("failed_reloads");
        await scene.register("c");
        await isWrittenDown("a", "b", "c");
        await scene.losesNothing(async () => {
            await scene.deregister("c");
            await scene.answers("a b");
            await scene.balancer.insideOf("haproxy", "mv", page, `${page}.away`);
            try {
                // A server that moves needs a reload; the others do not have to wait for it.
                await scene.register("a", { port: scene.portOf("b") });
                await hasFailed(failures);
                assert.equal(await scene.used(), "a b");
                await scene.deregister("b");
                await scene.register("c");
                await scene.answers("a c");
            } finally {
                await scene.balancer.insideOf("haproxy", "mv", `${page}.away`, page);
            }
            await scene.answers("b c");
        });
        await scene.register("a");
        await scene.register("b");
        await scene.deregister("c");
        await scene.answers("a b");
    });

    it("that fail for a file that HAProxy misses lose no request, and are made when it is there again", async () => {
        const page = "/etc/haproxy/errors/unavailable.html";
        const inHaproxy = (script: string): Promise<string> =>
            scene.balancer.insideOf("haproxy", "sh", "-c", script);
        const failures = await scene.balancer.counter("failed_reloads");
        await isWrittenDown("a", "b");
        await scene.losesNothing(async () => {
            // The templater's container has the file still: `haproxy -c` is content. A server that moves needs a reload.
            await inHaproxy(`mv ${page} ${page}.away`);
            try {
                await scene.register("a", { port: scene.portOf("c") });
                await hasFailed(failures);
                assert.equal(await scene.used(), "a b");
            } finally {
                await inHaproxy(`mv ${page}.away ${page}`);
            }
            await scene.answers("b c");
        });
        await scene.register("a");
        await scene.answers("a b");
    });

    it("that fail for a port that somebody holds are made when it is free", async () => {
        const holder = await holdPort();
        try {
            const failures = await scene.balancer.counter("failed_reloads");
            await scene.balancer.changeTemplater({ STATS_PORT: String(holder.port) });
            await hasFailed(failures);
            await scene.answers("a b");
            assert.equal((await scene.stats("/health")).status, 200);
        } finally {
            await holder.release();
        }
        const moved = { stats: holder.port };
        await eventually("HAProxy has its new port", async () =>
            assert.equal((await scene.stats("/health", moved)).status, 200),
        );
        assert.equal(await scene.used(), "a b");
    });
});
