import * as assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { output, root, run } from "../../support/command";

const guard = join(root, "components/balancers/guard");
const counters = [
    "accepted",
    "changes",
    "held",
    "refused",
    "wrong",
    "reloads",
    "failed_reloads",
    "unreachable",
];

interface Answer {
    status: number;
    headers: Record<string, string>;
    body: string;
}

describe("the guard's counters", () => {
    const state = mkdtempSync(join(tmpdir(), "gatehouse-guard-"));
    const env = { ...process.env, HAPROXY_STATE: state };
    beforeEach(() => rmSync(join(state, "metrics"), { force: true }));
    after(() => rmSync(state, { recursive: true, force: true }));

    const put = (file: string, text: string): void => writeFileSync(join(state, file), text);

    /** Hundredths of a second since the system started, as the guard writes times. */
    const ticks = (): number => Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]) * 100;

    async function ask(target: string, method = "GET"): Promise<Answer> {
        const { stdout, code } = await run("sh", [join(guard, "haproxy-metrics")], {
            env,
            input: `${method} ${target} HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n`,
        });
        assert.equal(code, 0);
        const [head = "", body = ""] = stdout.split(/\r\n\r\n(.*)/s);
        const [first = "", ...lines] = head.split("\r\n");
        const headers = lines.map((line) => line.split(": ") as [string, string]);
        return { status: Number(first.split(" ")[1]), headers: Object.fromEntries(headers), body };
    }

    const values = (text: string): Record<string, string> =>
        Object.fromEntries(
            [...text.matchAll(/^gatehouse_guard_(\w+) (\S+)$/gm)].map(([, name, value]) => [name, value]),
        );

    it("are all there before anything was counted, in Prometheus' form", async () => {
        const { status, headers, body } = await ask("/guard/metrics");
        assert.equal(status, 200);
        assert.match(headers["Content-Type"]!, /^text\/plain; version=0\.0\.4/);
        assert.equal(Number(headers["Content-Length"]), Buffer.byteLength(body));
        assert.equal(headers["Connection"], "close");
        const lines = body.trimEnd().split("\n");
        assert.equal(lines.length % 3, 0);
        for (let n = 0; n < lines.length; n += 3) {
            const [name = "", value] = lines[n + 2]!.split(" ");
            assert.match(lines[n]!, new RegExp(`^# HELP ${name} [A-Z].+\\.$`));
            assert.equal(lines[n + 1], `# TYPE ${name} ${name.endsWith("_total") ? "counter" : "gauge"}`);
            assert.match(value!, /^(0|NaN)$/);
        }
        assert.deepEqual(
            Object.keys(values(body)).filter((name) => name.endsWith("_total")),
            counters.map((name) => `${name}_total`),
        );
    });

    it("are those that haproxy-render has written", async () => {
        // It has no guard lines, and nobody runs HAProxy on this state.
        put("rendered.cfg", "global\n");
        await output("sh", [join(guard, "haproxy-render"), join(state, "rendered.cfg")], { env });
        const found = values((await ask("/guard/metrics")).body);
        assert.equal(found["refused_total"], "1");
        assert.equal(found["unreachable_total"], "1");
        assert.equal(found["accepted_total"], "0");
        assert.equal(found["pending"], "1");
        const { body } = await ask("/guard/status");
        assert.match(body, /^state +HAProxy does not answer$/m);
        assert.match(body, /^last success +none yet$/m);
        assert.match(body, /^last error +\d{4}-\S+Z HAProxy does not answer; /m);
        assert.match(body, /^refused +1 /m);
    });

    it("come with what is held back now, and since when HAProxy follows", async () => {
        put("holds", `service:web 1 ${ticks() - 1200}\nservice:api 0 ${ticks() - 100}\n`);
        put("pending", `${ticks() + 50} held\n`);
        const seconds = Math.floor(Date.now() / 1000) - 30;
        put(
            "metrics",
            "# TYPE gatehouse_guard_held_total counter\ngatehouse_guard_held_total 7\n" +
                `gatehouse_guard_later_total 3\ngatehouse_guard_last_success_timestamp_seconds ${seconds}\n`,
        );
        const found = values((await ask("/guard/metrics?x=1")).body);
        assert.equal(found["held_total"], "7");
        assert.equal(found["later_total"], "3", "a counter that this script does not know is left out");
        assert.equal(found["held_services"], "2");
        assert.equal(found["last_success_timestamp_seconds"], String(seconds));
        assert.match(found["last_success_age_seconds"]!, /^3\d$/);
        const { body } = await ask("/guard/status");
        assert.match(body, /^state +a list is held back$/m);
        assert.match(body, /^held back +service web, 1 listed, for 1[2-9] s$/m);
        assert.match(body, /^held back +service api, 0 listed, for [1-9] s$/m);
        assert.match(body, /^last success +3\d s ago$/m);
    });

    it("say when nothing is left to be done", async () => {
        put("holds", "");
        rmSync(join(state, "pending"));
        assert.match((await ask("/guard/status")).body, /^state +nothing is left to be done$/m);
        assert.equal(values((await ask("/guard/metrics")).body)["pending"], "0");
    });

    it("are read only, by their two names", async () => {
        const head = await ask("/guard/metrics", "HEAD");
        assert.equal(head.status, 200);
        assert.equal(head.body, "");
        assert.ok(Number(head.headers["Content-Length"]) > 100);
        assert.equal((await ask("/guard/metrics", "POST")).status, 405);
        assert.equal((await ask("/../../etc/passwd")).status, 404);
    });
});
