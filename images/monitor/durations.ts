const units: Record<string, number> = {
    ns: 1e-6,
    us: 1e-3,
    µs: 1e-3,
    ms: 1,
    s: 1000,
    m: 60_000,
    h: 3_600_000,
};

/**
 * Milliseconds of a duration as Consul writes it, e.g. `1m30s`; the fallback for none, and for zero.
 *
 * It does not look for mistakes: Consul, or a setting's own pattern, has refused them before.
 */
export function milliseconds(text: string | undefined, fallback: number): number {
    let sum = 0;
    for (const [, amount, unit] of (text ?? "").matchAll(/([\d.]+)(ns|us|µs|ms|s|m|h)/g)) {
        sum += Number(amount) * units[unit!]!;
    }
    return sum > 0 ? sum : fallback;
}
