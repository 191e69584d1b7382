import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import * as https from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { intervalOf, runCheck, type Definition, type Verdict } from "../../../images/monitor/checks";
import { milliseconds } from "../../../images/monitor/durations";
import { portOf, Target } from "./scene";

describe("one run of a check", () => {
    let target: Target;
    beforeEach(async () => (target = await Target.start()));
    afterEach(() => target.stop());

    const run = (definition: Definition): Promise<Verdict> =>
        runCheck({ Timeout: "10s", ...definition }, new AbortController().signal);

    it("judges HTTP answers as Consul's agents do", async () => {
        for (const [status, verdict] of Object.entries({
            200: "passing",
            204: "passing",
            299: "passing",
            304: "critical",
            404: "critical",
            429: "warning",
            500: "critical",
            503: "critical",
        })) {
            target.status = Number(status);
            const result = await run({ HTTP: target.url() });
            assert.equal(result.status, verdict, status);
            assert.ok(result.output.startsWith(`HTTP GET ${target.url()}: ${status} `), result.output);
        }
        target.status = 200;
        assert.match((await run({ HTTP: target.url() })).output, /200 OK Output: hello$/);
    });

    it("sends the method, headers and body that the definition asks for", async () => {
        await run({
            HTTP: target.url("/up?x=1"),
            Method: "PUT",
            Header: { Host: ["web.example"], "X-Ask": ["a", "b"], "user-agent": ["tester"] },
        });
        const [{ path, method, headers }] = target.requests as [(typeof target.requests)[0]];
        assert.deepEqual([path, method], ["/up?x=1", "PUT"]);
        assert.equal(headers.host, "web.example");
        assert.equal(headers["x-ask"], "a, b");
        assert.equal(headers["user-agent"], "tester");
        assert.equal(headers.connection, "close");
    });

    it("follows redirects, but not for ever", async () => {
        const redirecting = await Target.start((request, response) => {
            const to = request.url === "/loop" ? "/loop" : target.url("/landed");
            response.writeHead(302, { Location: to }).end();
        });
        try {
            assert.equal((await run({ HTTP: redirecting.url() })).status, "passing");
            assert.deepEqual(
                target.requests.map(({ path }) => path),
                ["/landed"],
            );
            assert.equal((await run({ HTTP: redirecting.url("/loop") })).status, "critical");
            assert.equal(redirecting.requests.length, 12);
        } finally {
            await redirecting.stop();
        }
    });

    it("gives up after the timeout, and keeps little of a long answer", async () => {
        target.status = undefined;
        const start = performance.now();
        const late = await run({ HTTP: target.url(), Timeout: "150ms" });
        assert.deepEqual(late, {
            status: "critical",
            output: `HTTP GET ${target.url()}: no answer within 150 ms`,
        });
        const taken = performance.now() - start;
        assert.ok(taken >= 140 && taken < 5000, `${taken} ms`);

        const talkative = await Target.start((_request, response) => {
            response.writeHead(200);
            response.write("x".repeat(1_000_000));
        });
        const endless = await run({ HTTP: talkative.url() });
        await talkative.stop();
        assert.equal(endless.status, "passing");
        assert.ok(endless.output.length < 1200);
    });

    it("says what is wrong when there is nobody, or no address", async () => {
        const url = target.url();
        await target.stop();
        const refused = await run({ HTTP: url });
        assert.equal(refused.status, "critical");
        assert.match(refused.output, /ECONNREFUSED/);
        for (const definition of [
            { HTTP: "nonsense" },
            { HTTP: "ftp://127.0.0.1/" },
            { HTTP: url, Method: "B A D" },
            { TCP: "no-port" },
            { TCP: url.replace("http://", "").replace("/", "") },
        ]) {
            const result = await run(definition);
            assert.equal(result.status, "critical");
            assert.ok(result.output.length > 20, result.output);
        }
    });

    it("connects for a TCP check", async () => {
        const address = target.url().replace("http://", "").replace("/", "");
        assert.deepEqual(await run({ TCP: address }), {
            status: "passing",
            output: `TCP connect ${address}: Success`,
        });
    });

    it("returns soon when it is not wanted any more", async () => {
        target.status = undefined;
        const unwanted = new AbortController();
        const running = runCheck({ HTTP: target.url(), Timeout: "60s" }, unwanted.signal);
        unwanted.abort();
        assert.equal((await running).status, "critical");
    });

    it("verifies certificates unless it is told not to", async () => {
        const folder = mkdtempSync(join(tmpdir(), "gatehouse-monitor-"));
        const [key, cert] = [join(folder, "key"), join(folder, "cert")];
        const made = spawnSync("openssl", [
            ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=x".split(
                " ",
            ),
            ...["-keyout", key, "-out", cert],
        ]);
        assert.equal(made.status, 0, String(made.stderr));
        const server = https.createServer(
            { key: readFileSync(key), cert: readFileSync(cert) },
            (_, response) => response.end(),
        );
        rmSync(folder, { recursive: true });
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
        const definition = { HTTP: `https://127.0.0.1:${portOf(server)}/` };
        const strict = await run(definition);
        const lax = await run({ ...definition, TLSSkipVerify: true });
        server.close();
        assert.equal(strict.status, "critical");
        assert.match(strict.output, /self-signed/);
        assert.equal(lax.status, "passing");
    });

    it("reads durations as Consul writes them", () => {
        assert.equal(milliseconds("1m30s", 7), 90_000);
        assert.equal(milliseconds("1.5s", 7), 1500);
        assert.equal(milliseconds("250ms", 7), 250);
        assert.equal(milliseconds("0s", 7), 7);
        assert.equal(milliseconds(undefined, 7), 7);
        assert.equal(intervalOf({}), 30_000);
    });
});
