import type { LoadReport } from "../tests/support/load";
import type { Figure } from "./report";

/** Requests that failed during something. */
export function failedRequests(
    what: string,
    report: LoadReport,
    { atMost, rate = 100 }: { atMost?: number; rate?: number } = {},
): Figure {
    const reasons = Object.entries(
        report.failures.reduce<Record<string, number>>((counts, { reason }) => {
            counts[reason] = (counts[reason] ?? 0) + 1;
            return counts;
        }, {}),
    ).map(([reason, count]) => `, ${count} × ${reason}`);
    return {
        what,
        value: report.failed,
        unit: "requests",
        ...(atMost === undefined ? {} : { target: { atMost } }),
        samples: report.requests,
        note: `of ${report.requests} at ${rate}/s, ${report.resent} resent, slowest ${Math.round(report.latencyMs.max)} ms${reasons.join("")}`,
    };
}
