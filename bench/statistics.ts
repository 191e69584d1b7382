/** The value below which `share` of the samples lie, by the nearest rank; NaN without samples. */
export function quantile(samples: readonly number[], share: number): number {
    const sorted = [...samples].sort((a, b) => a - b);
    const rank = Math.ceil(share * sorted.length) - 1;
    return sorted[Math.min(sorted.length - 1, Math.max(0, rank))] ?? NaN;
}

/** The middle sample, or the mean of the two in the middle. */
export function median(samples: readonly number[]): number {
    const sorted = [...samples].sort((a, b) => a - b);
    const middle = sorted.length / 2;
    return Number.isInteger(middle)
        ? ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2
        : (sorted[Math.floor(middle)] ?? NaN);
}
