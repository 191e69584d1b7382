// images/monitor/durations.ts reads the same notation. A stand-in is built from plugins/ alone, with a build that is cached
// by what lies there, and has to refuse what it cannot read.
const units: Record<string, number> = {
    ns: 1e-6,
    us: 1e-3,
    µs: 1e-3,
    ms: 1,
    s: 1000,
    m: 60_000,
    h: 3_600_000,
};
const duration = /^[+-]?(0|(\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))+$/;

/** Milliseconds of a duration in Go's notation, e.g. `1m30s`; `undefined` for anything else. */
export function milliseconds(text: string): number | undefined {
    if (!duration.test(text)) {
        return undefined;
    }
    let sum = 0;
    for (const [, amount, unit] of text.matchAll(/([\d.]+)(ns|us|µs|ms|s|m|h)/g)) {
        sum += Number(amount) * units[unit!]!;
    }
    return text.startsWith("-") ? -sum : sum;
}

/** Why a duration is refused. */
export function refuseDuration(text: string): string | undefined {
    return milliseconds(text) === undefined ? 'must be a duration such as "5s" or "1m30s"' : undefined;
}

/** Whether two durations are as long as each other. */
export function sameDuration(left: unknown, right: unknown): boolean {
    return left === right || milliseconds(String(left)) === milliseconds(String(right));
}
