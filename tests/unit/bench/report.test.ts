import * as assert from "node:assert/strict";

import { holds, renderTable, replaceTable, type Environment, type Figure } from "../../../bench/report";
import { parseWrk } from "../../../bench/throughput";

const environment: Environment = {
    date: "2026-11-21 12:00",
    commit: "abc1234",
    processor: "Some Processor",
    cores: 2,
    memoryGiB: 24,
    kernel: "6.1.0",
    docker: "20.10.24",
    loadBefore: 0.1,
};

describe("bench: report", () => {
    it("says of each figure whether it keeps to its bound", () => {
        const figure: Figure = { what: "up", value: 40, unit: "s", samples: 3 };
        assert.equal(holds(figure), undefined);
        assert.equal(holds({ ...figure, target: { atMost: 40 } }), true);
        assert.equal(holds({ ...figure, target: { atMost: 39.9 } }), false);
        assert.equal(holds({ ...figure, target: { atLeast: 40.1 } }), false);
        // What could not be measured has not been kept.
        assert.equal(holds({ ...figure, value: NaN, target: { atMost: 40 } }), false);
        assert.equal(holds({ ...figure, value: NaN, target: { atLeast: 1 } }), false);
    });

    it("renders a Markdown table whose rows all have the same columns", () => {
        const table = renderTable({
            environment,
            figures: [
                {
                    what: "`make up`",
                    value: 31.256,
                    unit: "s",
                    target: { atMost: 40 },
                    samples: 3,
                    note: "30, 31, 33",
                },
                { what: "ratio", value: 0.912, unit: "ratio", target: { atLeast: 0.95 }, samples: 7 },
                { what: "requests per second", value: 4321.7, unit: "req/s", samples: 7 },
            ],
        });
        const rows = table.split("\n").filter((line) => line.startsWith("|"));
        assert.equal(rows.length, 5);
        assert.equal(new Set(rows.map((row) => row.length)).size, 1, table);
        assert.match(table, /31\.3 s +\| ≤ 40 s +\| yes/);
        assert.match(table, /0\.912 +\| ≥ 0\.95 +\| \*\*no\*\*/);
        assert.match(table, /4322 req\/s/);
        assert.match(table, /Measured on 2026-11-21 12:00 UTC at abc1234: 2 cores/);
    });

    it("replaces only the table of the page, however often", () => {
        const page =
            "# Figures\n\n<!-- begin table: make bench DOCS=1 -->\nold\n<!-- end table -->\n\nAfter.\n";
        const once = replaceTable(page, "| new |\n");
        assert.match(once, /^# Figures\n\n<!-- begin .*-->\n\n\| new \|\n\n<!-- end table -->\n\nAfter\.\n$/);
        assert.equal(replaceTable(once, "| new |\n"), once);
        assert.throws(() => replaceTable("# no marks", "x"), /needs the lines/);
    });
});

describe("bench: wrk's report", () => {
    const report = (tail: string, more = "") =>
        `Running 2s test @ http://127.0.0.1:80/
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     4.54ms    2.01ms  40.11ms   88.10%
    Req/Sec     7.20k   630.12     8.43k    72.50%
  Latency Distribution
     50%    4.20ms
     75%    5.18ms
     90%    6.40ms
     99%   ${tail}
  14345 requests in 2.00s, 3.21MB read
${more}Requests/sec:   7172.50
Transfer/sec:      1.60MB
`;

    it("reads speed and tail in every unit", () => {
        assert.deepEqual(parseWrk(report("11.40ms")), { requestsPerSecond: 7172.5, p99Milliseconds: 11.4 });
        assert.equal(parseWrk(report("500.00us")).p99Milliseconds, 0.5);
        assert.equal(parseWrk(report("1.02s")).p99Milliseconds, 1020);
    });

    it("refuses a run in which requests failed", () => {
        assert.throws(
            () => parseWrk(report("1.00ms", "  Non-2xx or 3xx responses: 12\n")),
            /requests failed/,
        );
        assert.throws(
            () => parseWrk(report("1.00ms", "  Socket errors: connect 0, read 3, write 0, timeout 0\n")),
            /requests failed/,
        );
        assert.throws(() => parseWrk("unable to connect to 127.0.0.1:80 Connection refused"), /no report/);
    });
});
