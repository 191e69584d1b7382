import * as assert from "node:assert/strict";
import { once } from "node:events";
import * as http from "node:http";
import type { Socket } from "node:net";

import { startLoad, withLoad } from "../../support/load";
import { eventually } from "../../support/poll";

type Handler = (request: http.IncomingMessage, response: http.ServerResponse, seen: number) => void;

describe("the load generator", () => {
    let server: http.Server;
    afterEach(() => {
        server?.closeAllConnections();
        server?.close();
    });

    async function serve(handler: Handler): Promise<string> {
        let seen = 0;
        server = http.createServer((request, response) => handler(request, response, ++seen));
        server.listen(0, "127.0.0.1");
        await once(server, "listening");
        return `http://127.0.0.1:${(server.address() as { port: number }).port}/`;
    }

    it("keeps its rate, and accounts for every request and the instance that answered it", async () => {
        const url = await serve((_, response, seen) =>
            response.setHeader("X-Instance", `i${seen % 2}`).end(),
        );
        const load = startLoad({ url, rate: 100 });
        await eventually("300 requests", () => assert.ok(load.report().requests >= 300), { every: 10 });
        const { seconds, requests, failed, statuses, instances } = await load.stop();
        assert.equal(failed, 0);
        assert.deepEqual(statuses, { "200": requests });
        assert.equal((instances.i0 ?? 0) + (instances.i1 ?? 0), requests);
        assert.ok(Math.abs(requests / seconds - 100) < 30, `${requests} requests in ${seconds} s`);
    });

    it("counts bad answers, refused connections and time-outs as failures, each with its reason", async () => {
        const reasons = new Set<string>();
        const url = await serve((_, response, seen) => {
            if (seen % 3 === 0) {
                response.writeHead(503).end();
            } else if (seen % 3 === 1) {
                response.end();
            }
        });
        const { report } = await withLoad({ url, rate: 100, timeoutMs: 100, settleMs: 100 }, async (load) => {
            const sees = (reason: string): void =>
                assert.ok(
                    load.report().failures.some((failure) => failure.reason === reason),
                    reason,
                );
            await eventually("failures", () => ["status 503", "TIMEOUT"].forEach(sees), { every: 20 });
            server.closeAllConnections();
            server.close();
            await eventually("refusals", () => sees("ECONNREFUSED"));
        });
        report.failures.forEach(({ reason }) => reasons.add(reason));
        for (const reason of ["status 503", "TIMEOUT", "ECONNREFUSED"]) {
            assert.ok(reasons.has(reason), `${reason} is not among ${[...reasons].join(", ")}`);
        }
    });

    it("sends again, and tells so, when a kept-alive connection is closed under a request", async () => {
        const answered = new WeakSet<Socket>();
        const url = await serve((request, response) => {
            // The second request on a connection finds it closed.
            if (answered.has(request.socket)) {
                request.socket.resetAndDestroy();
            } else {
                answered.add(request.socket);
                response.end();
            }
        });
        const { report } = await withLoad({ url, rate: 50, connections: 1, settleMs: 200 }, async (load) => {
            await eventually("some were sent again", () => assert.ok(load.report().resent >= 3));
        });
        assert.equal(report.failed, 0, JSON.stringify(report));
    });

    it("goes to this machine only", () => {
        assert.throws(() => startLoad({ url: "http://192.0.2.1/" }), /only sends to http:\/\/127\.0\.0\.1/);
    });
});
