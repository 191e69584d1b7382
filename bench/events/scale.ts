import { workingSets } from "../memory";
import type { Found } from "../plan";
import type { Figure, Matrix } from "../report";
import { median, quantile } from "../statistics";
import type { WrkReport } from "../wrk";
import { keepChanging, type Changes } from "./changes";
import { instancesOf } from "./instances";
import { ports, Stage } from "./stage";

const services = 100;
const instancesEach = 10;
const changesPerSecond = 10;

/** As the lab would derive them for ten instances. */
const slots = 32;

/** What a span of time cost. */
interface Span {
    report: WrkReport;
    /** Shares of a core. */
    cpu: { haproxy: number; consul: number };
    /** MiB in the end. */
    memory: { haproxy: number; consul: number };
}

/**
 * A thousand instances in a hundred services that HAProxy follows by events, at rest and with ten changes a second:
 * processor time, memory, the latency of requests to all services, and how long the changes take to reach the traffic.
 */
export async function measureScale({ seconds }: { seconds: number }): Promise<Found> {
    const stage = await Stage.open("bench-scale", instancesOf(services, instancesEach));
    try {
        await stage.haproxy("module", slots);
        // The first seconds are for warming up.
        await load(stage, 3);
        const rest = await play(stage, seconds);
        const before = (await stage.metrics()).sum("changes_total");
        let running = true;
        const changing = keepChanging(stage, changesPerSecond, () => running);
        const span = await play(stage, seconds).finally(() => (running = false));
        const changes = await changing;
        const metrics = await stage.settled();
        const applied = metrics.sum("changes_total") - before;
        const troubles = metrics.sum("errors_total") + metrics.sum("unplaced") + metrics.sum("holds_total");
        return {
            figures: [
                ...propagation(changes, applied),
                {
                    what: "the same: the module's own lag, the worst of all services",
                    value: Math.max(...metrics.values("lag_seconds")) * 1000,
                    unit: "ms",
                    samples: metrics.values("lag_seconds").length,
                    note: `from Consul's answer to the servers; median ${(median(metrics.values("lag_seconds")) * 1000).toFixed(2)} ms`,
                },
                failures(span.report, troubles),
            ],
            matrices: [compare(rest, span)],
        };
    } finally {
        await stage.close();
    }
}

/** A load far below the most that the machine can do, to all services alike. */
function load(stage: Stage, seconds: number): Promise<WrkReport> {
    const url = `http://127.0.0.1:${ports.module}/`;
    return stage.scene.load({ url, seconds, connections: 10, delayMs: 10 });
}

async function play(stage: Stage, seconds: number): Promise<Span> {
    const { scene } = stage;
    const usage = () => Promise.all(["module", "consul"].map((name) => scene.cpuSeconds(name)));
    const before = await usage();
    const report = await load(stage, seconds);
    const after = await usage();
    const share = (n: number) => ((after[n] ?? NaN) - (before[n] ?? NaN)) / report.seconds;
    const sizes = await workingSets(["module", "consul"].map((name) => scene.container(name)));
    return {
        report,
        cpu: { haproxy: share(0), consul: share(1) },
        memory: {
            haproxy: sizes[scene.container("module")] ?? NaN,
            consul: sizes[scene.container("consul")] ?? NaN,
        },
    };
}

function propagation({ made, joins, leaves }: Changes, applied: number): Figure[] {
    const both = (what: string, samples: number[], note: string): Figure[] => [
        {
            what,
            value: median(samples),
            unit: "s",
            target: { atMost: 0.05 },
            samples: samples.length,
            note,
        },
        {
            what: "the same, p99",
            value: quantile(samples, 0.99),
            unit: "s",
            target: { atMost: 0.05 },
            samples: samples.length,
            note: `slowest ${Math.max(...samples).toFixed(3)} s`,
        },
    ];
    const scene = `${services * instancesEach} instances in ${services} services, ${changesPerSecond} changes a second`;
    return [
        ...both(
            `${scene}: from registration to the first request`,
            joins,
            `${made} changes made, ${applied} servers filled or emptied`,
        ),
        ...both(`${scene}: from deregistration to the last request`, leaves, ""),
    ];
}

function failures(report: WrkReport, troubles: number): Figure {
    const reasons = Object.entries(report.failures).map(([reason, count]) => `, ${count} × ${reason}`);
    return {
        what: "the same: failed requests",
        value: report.failed,
        unit: "requests",
        target: { atMost: 0 },
        samples: report.requests,
        note: `of ${report.requests}${reasons.join("")}; ${troubles} errors, instances without a server and answers held back`,
    };
}

function compare(rest: Span, span: Span): Matrix {
    const row = (what: string, of: (span: Span) => number) => [what, of(rest), of(span)];
    return {
        title: `${services * instancesEach} instances in ${services} services, followed by events`,
        head: ["", "at rest", `${changesPerSecond} changes a second`],
        rows: [
            row("HAProxy, % of a core", ({ cpu }) => cpu.haproxy * 100),
            row("Consul, % of a core", ({ cpu }) => cpu.consul * 100),
            row("HAProxy, MiB", ({ memory }) => memory.haproxy),
            row("Consul, MiB", ({ memory }) => memory.consul),
            row("requests per second", ({ report }) => report.requestsPerSecond),
            row("p50, ms", ({ report }) => report.p50Milliseconds),
            row("p99, ms", ({ report }) => report.p99Milliseconds),
            row("slowest, ms", ({ report }) => report.maxMilliseconds),
        ],
    };
}
