import * as assert from "node:assert/strict";

import { heyArguments, parseHey } from "../../../bench/hey";
import { parseActiveOpens } from "../../../bench/scene";
import { assertHandshakes, parseSessionsOffered } from "../../../bench/sticky/handshakes";
import { parseAttempts } from "../../../bench/nomad/rolling";
import { parseHeads } from "../../../bench/sticky/job-check";
import { compare } from "../../../bench/sticky/throughput";
import { mostOldWorkers } from "../../../bench/template/flapping";
import { parseFlawless, parseWrk, wrkArguments } from "../../../bench/wrk";

function report(changes: Record<string, number> = {}): string {
    const counted = {
        ...{ requests: 14345, seconds: 2, p50Us: 4200, p99Us: 11400, maxUs: 40110 },
        ...{ connect: 0, read: 0, write: 0, status: 0, timeout: 0 },
        ...changes,
    };
    return `Running 2s test @ http://127.0.0.1:80/\nRequests/sec:   7172.50\n${JSON.stringify(counted)}\n`;
}

describe("bench: wrk", () => {
    it("gets what is asked, and its report is read", () => {
        const options = { url: "http://127.0.0.1:80/", seconds: 2, connections: 8 };
        assert.ok(!wrkArguments(options).some((each) => each.startsWith("--header")));
        const closing = wrkArguments({ ...options, keepAlive: false, delayMs: 5 });
        assert.ok(closing.includes("--header=Connection: close"));
        assert.deepEqual(closing.slice(-3), [options.url, "--", "5"]);
        const read = parseWrk(report());
        assert.equal(read.requestsPerSecond, 7172.5);
        assert.equal(read.p99Milliseconds, 11.4);
        assert.equal(read.failed, 0);
    });

    it("counts failures by kind, and refuses a run with any where none may be", () => {
        const text = report({ read: 3, status: 2 });
        assert.deepEqual(parseWrk(text).failures, { read: 3, status: 2 });
        assert.equal(parseWrk(text).failed, 5);
        assert.throws(() => parseFlawless(text), /requests failed/);
        assert.throws(() => parseFlawless(report({ requests: 0 })), /requests failed/);
        assert.throws(() => parseWrk("unable to connect to 127.0.0.1:80 Connection refused"), /no report/);
    });
});

describe("bench: hey", () => {
    const summary = (...more: string[]) =>
        [
            "",
            "Summary:",
            "  Total:\t2.0000 secs",
            "  Requests/sec:\t2010.0000",
            "",
            "Latency distribution:",
            "  50% in 0.0448 secs",
            "  99% in 0.1250 secs",
            "",
            "Status code distribution:",
            "  [200]\t4020 responses",
            ...more,
        ].join("\n");

    it("opens a connection for each request, and its summary is read", () => {
        const options = { url: "https://127.0.0.1:443/", seconds: 2, connections: 8 };
        assert.ok(heyArguments(options).includes("-disable-keepalive"));
        assert.deepEqual(parseHey(summary()), {
            requests: 4020,
            requestsPerSecond: 2010,
            p99Milliseconds: 125,
            failed: 0,
        });
    });

    it("is believed when requests failed", () => {
        const refused = ["", "Error distribution:", "  [7]\tGet https://127.0.0.1/: connection refused"];
        assert.equal(parseHey(summary("  [503]\t5 responses", ...refused)).failed, 12);
        assert.equal(parseHey(summary("  [503]\t5 responses", ...refused)).requests, 4032);
        assert.throws(() => parseHey("hey: command not found"), /no report/);
    });

    it("does not count as full handshakes what was resumed, nor the other way round", () => {
        assert.equal(parseSessionsOffered("Name: HAProxy\nSslCacheLookups: 21\nSslCacheMisses: 0\n"), 21);
        assert.throws(() => parseSessionsOffered(""), /no count/);
        assert.doesNotThrow(() => assertHandshakes("full", 0, 100));
        assert.throws(() => assertHandshakes("full", 1, 100), /should be full/);
        assert.throws(() => assertHandshakes("full", 0, 0), /should be full/);
        assert.doesNotThrow(() => assertHandshakes("resumed", 95, 100));
        assert.throws(() => assertHandshakes("resumed", 5, 100), /should be resumed/);
    });
});

describe("bench: what is read of others", () => {
    it("the kernel's count of opened connections", () => {
        const text =
            "Ip: Forwarding DefaultTTL\nIp: 1 64\nTcp: RtoAlgorithm ActiveOpens PassiveOpens\nTcp: 1 77 78\nUdp: InDatagrams\nUdp: 5\n";
        assert.equal(parseActiveOpens(text), 77);
        assert.throws(() => parseActiveOpens("Ip: 1\n"), /no count/);
    });

    it("who answered, and the session's cookie", () => {
        const text =
            "HTTP/1.1 200 OK\r\nx-instance: back1\r\nSet-Cookie: SERVERID=back1; path=/; HttpOnly\r\n\r\n" +
            "HTTP/2 200 \r\nX-Instance: back2\r\n\r\n";
        assert.deepEqual(parseHeads(text), [
            { instance: "back1", session: "back1" },
            { instance: "back2", session: undefined },
        ]);
    });

    it("how often HAProxy has tried again", () => {
        const csv = [
            "# pxname,svname,qcur,wretr,wredis,status,",
            "webapp,webapp1,0,3,0,UP,",
            "other,BACKEND,0,9,9,UP,",
            "webapp,BACKEND,0,4,2,UP,",
            "",
        ].join("\n");
        assert.equal(parseAttempts(csv, "webapp"), 6);
        assert.throws(() => parseAttempts(csv, "none"), /no retries of none/);
        assert.throws(() => parseAttempts("<html>", "webapp"), /no retries/);
    });

    it("HAProxy's old workers", () => {
        const answer = (old: number) =>
            [
                "#<PID>          <type>          <reloads>       <uptime>        <version>",
                "1               master          3 [failed: 0]   0d00h01m28s     2.6.12",
                "# workers",
                "40              worker          0               0d00h00m00s     2.6.12",
                "# old workers",
                ...Array.from(
                    { length: old },
                    (_, n) => `3${n}              worker          1               0d00h00m10s     2.6.12`,
                ),
                "# programs",
                "",
            ].join("\n");
        assert.equal(mostOldWorkers([answer(0), answer(2), answer(1)].join("\n\n")), 2);
        assert.equal(mostOldWorkers(answer(0)), 0);
        assert.equal(mostOldWorkers(""), 0);
    });
});

describe("bench: the comparison", () => {
    it("takes medians, and ratios round by round", () => {
        const round = (requestsPerSecond: number) => ({
            requests: 100,
            requestsPerSecond,
            p99Milliseconds: 2,
            cpuMicroseconds: 20,
            connectionsOpened: 1,
        });
        const { rows } = compare(
            "Plain",
            [{ name: "ours" }, { name: "peer" }],
            [[100, 200, 900].map(round), [200, 200, 300].map(round)],
        );
        assert.deepEqual(rows[0]?.slice(0, 2), ["ours", 200]);
        // 0.5, 1 and 3: not 200 / 200.
        assert.deepEqual(rows[1]?.slice(0, 2), ["peer", 200]);
        assert.equal(rows[1]?.[5], 1);
    });
});
