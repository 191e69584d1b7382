import * as assert from "node:assert/strict";
import { once } from "node:events";
import * as http from "node:http";
import { WebSocket } from "ws";

import type { GracefulServer } from "../../../images/common/graceful";
import { createCounterApi } from "../../../images/counter-api/server";
import { createDashboard } from "../../../images/counter-dashboard/server";
import type { CounterState } from "../../../images/counter-dashboard/upstream";
import { eventually } from "../../support/poll";
import { get } from "./http";

describe("counter-api", () => {
    it("counts requests, but not health checks", async () => {
        const api = createCounterApi({ hostname: "api-1", drainDelayMs: 0 });
        const url = `http://127.0.0.1:${await api.listen(0, "127.0.0.1")}`;
        for (const expected of [1, 2]) {
            assert.equal((await get(`${url}/health`)).status, 200);
            assert.deepEqual(JSON.parse((await get(url)).body), { count: expected, hostname: "api-1" });
        }
        await api.drain();
    });
});

describe("counter-dashboard", () => {
    const open: { drain(): Promise<void> }[] = [];
    const sockets: WebSocket[] = [];
    afterEach(async () => {
        sockets.splice(0).forEach((socket) => socket.terminate());
        await Promise.all(open.splice(0).map((each) => each.drain()));
    });

    async function startApi(port = 0): Promise<{ api: GracefulServer; port: number }> {
        const api = createCounterApi({ hostname: "api-1", drainDelayMs: 0 });
        open.push(api);
        return { api, port: await api.listen(port, "127.0.0.1") };
    }

    async function startDashboard(upstreamUrl: string): Promise<string> {
        const dashboard = createDashboard({
            upstreamUrl: new URL(upstreamUrl),
            intervalMs: 20,
            drainDelayMs: 0,
        });
        open.push(dashboard);
        return `127.0.0.1:${await dashboard.server.listen(0, "127.0.0.1")}`;
    }

    function watch(address: string): CounterState[] {
        const seen: CounterState[] = [];
        const socket = new WebSocket(`ws://${address}/ws`);
        socket.on("message", (data) => seen.push(JSON.parse(String(data)) as CounterState));
        socket.on("error", () => {});
        sockets.push(socket);
        return seen;
    }

    const last = (seen: CounterState[]): CounterState => {
        assert.ok(seen.length > 0, "nothing has been sent");
        return seen.at(-1)!;
    };

    it("counts live over a WebSocket", async () => {
        const { port } = await startApi();
        const seen = watch(await startDashboard(`http://127.0.0.1:${port}`));
        await eventually("three counts", () => assert.ok(seen.length >= 3));
        assert.deepEqual(
            seen.slice(0, 3).map(({ reachable, count, hostname }) => ({ reachable, count, hostname })),
            [1, 2, 3].map((count) => ({ reachable: true, count, hostname: "api-1" })),
        );
    });

    it("asks for one count per round, however many watch, and none while nobody does", async () => {
        const { port } = await startApi();
        const dashboard = await startDashboard(`http://127.0.0.1:${port}`);
        const [first, second] = [watch(dashboard), watch(dashboard)];
        await eventually("both are served", () => assert.ok(first.length > 2 && second.length > 2));
        const counts = new Set(first.map(({ count }) => count));
        assert.ok(
            second.slice(1).some(({ count }) => counts.has(count)),
            "the same answers go to both",
        );

        sockets.splice(0).forEach((socket) => socket.terminate());
        const api = `http://127.0.0.1:${port}`;
        const count = async (): Promise<number> =>
            (JSON.parse((await get(api)).body) as { count: number }).count;
        await eventually("the counter rests", async () => {
            const before = await count();
            await new Promise((resolve) => setTimeout(resolve, 100));
            assert.equal(await count(), before + 1);
        });
    });

    it("keeps the last count and says why when the service is gone, and recovers by itself", async () => {
        const { api, port } = await startApi();
        const seen = watch(await startDashboard(`http://127.0.0.1:${port}`));
        await eventually("a count", () => assert.equal(last(seen).reachable, true));
        await api.drain();
        // One that was about to be taken is closed without an answer.
        await eventually("unreachable", () => {
            assert.equal(last(seen).reachable, false);
            assert.match(String(last(seen).error), /refused/);
        });
        assert.ok(last(seen).count! > 0);
        await startApi(port);
        await eventually("reachable again", () => assert.equal(last(seen).reachable, true));
    });

    it("survives upstreams that hang up, talk nonsense, never end or never answer", async () => {
        const bodies: [string, (response: http.ServerResponse) => void, RegExp][] = [
            ["hangs up", (response) => response.destroy(), /closed without an answer/],
            ["nonsense", (response) => response.end("<html>"), /did not answer with a count/],
            ["wrong type", (response) => response.end('{"count":"7"}'), /did not answer with a count/],
            ["an error", (response) => response.writeHead(500).end("{}"), /answered 500/],
            ["too long", (response) => response.end("x".repeat(200_000)), /too long/],
            ["silence", () => {}, /no answer in time/],
        ];
        for (const [name, answer, message] of bodies) {
            const upstream = http.createServer((_, response) => answer(response));
            upstream.listen(0, "127.0.0.1");
            await once(upstream, "listening");
            const { port } = upstream.address() as { port: number };
            const dashboard = await startDashboard(`http://127.0.0.1:${port}`);
            const { status, body } = await get(`http://${dashboard}/state`);
            const state = JSON.parse(body) as CounterState;
            assert.equal(status, 502, name);
            assert.equal(state.reachable, false, name);
            assert.match(String(state.error), message, name);
            assert.equal((await get(`http://${dashboard}/health`)).status, 200, name);
            upstream.closeAllConnections();
            upstream.close();
        }
    });

    it("serves its page under a content policy that allows no other site", async () => {
        const dashboard = await startDashboard("http://127.0.0.1:1");
        const { status, headers, body } = await get(`http://${dashboard}/`);
        assert.equal(status, 200);
        assert.match(String(headers["content-security-policy"]), /default-src 'self'/);
        const parts = [...body.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map((match) => match[1]!);
        assert.ok(parts.length >= 3);
        for (const part of parts.filter((path) => path !== "/state")) {
            assert.equal((await get(`http://${dashboard}${part}`)).status, 200, part);
        }
        assert.equal((await get(`http://${dashboard}/../main.ts`)).status, 404);
    });

    it("closes WebSockets when it is drained, and refuses those at other paths", async () => {
        const address = await startDashboard("http://127.0.0.1:1");
        watch(address);
        const closed = once(sockets[0]!, "close");
        await once(sockets[0]!, "open");
        const stray = new WebSocket(`ws://${address}/elsewhere`);
        const [error] = (await once(stray, "error")) as [Error];
        assert.match(error.message, /404/);
        await open.splice(0)[0]!.drain();
        assert.equal((await closed)[0], 1001);
    });
});
