export type Api = "consul" | "nomad";

/** One attempt, by the clock of whoever holds the ledger, in milliseconds. */
export interface Attempt {
    begun: number;
    ended: number;
    /** Why it failed; undefined if it did not. */
    why?: string;
}

/** Where attempts were made: a machine's name, or `outside`. */
export type Place = string;

/** Everything that is tried in one drill: requests, and writes of numbered keys. */
export class Ledger {
    readonly requests: (Attempt & { place: Place })[] = [];
    readonly writes: (Attempt & { place: Place; api: Api; key: string })[] = [];

    /** The keys whose write was acknowledged. */
    acknowledged(api: Api): string[] {
        return this.writes.filter((each) => each.api === api && each.why === undefined).map(({ key }) => key);
    }

    /**
     * The longest time in seconds, between two moments, in which no write was acknowledged anywhere: as long as that
     * nobody led, at most.
     */
    longestSilence(api: Api, from: number, to: number): number {
        const acknowledged = this.writes
            .filter(
                (each) => each.api === api && each.why === undefined && each.ended > from && each.ended < to,
            )
            .map(({ ended }) => ended);
        const moments = [from, ...acknowledged, to].sort((a, b) => a - b);
        return Math.max(...moments.slice(1).map((at, index) => at - (moments[index] ?? at))) / 1000;
    }

    /**
     * When a place had got a write through to both APIs and a request answered, none of which had begun before `from`.
     * Undefined if it had not.
     */
    works(place: Place, from: number): number | undefined {
        const first = (attempts: Attempt[]): number =>
            Math.min(
                ...attempts
                    .filter(({ begun, why }) => why === undefined && begun >= from)
                    .map(({ ended }) => ended),
            );
        const here = this.writes.filter((each) => each.place === place);
        const at = Math.max(
            first(here.filter(({ api }) => api === "consul")),
            first(here.filter(({ api }) => api === "nomad")),
            first(this.requests.filter((each) => each.place === place)),
        );
        return Number.isFinite(at) ? at : undefined;
    }
}

/** Failures that are no more than so many milliseconds apart are one spell of bad weather. */
const apart = 1000;

/**
 * The longest spell of failures in seconds: from the beginning of the first failed attempt to the end of the last one,
 * where each began at most a second after the one before had ended. Others may succeed meanwhile. 0 without a failure.
 */
export function longestSpell(attempts: readonly Attempt[]): number {
    const failed = attempts.filter(({ why }) => why !== undefined).sort((a, b) => a.begun - b.begun);
    let longest = 0;
    let from = NaN;
    let to = NaN;
    for (const { begun, ended } of failed) {
        if (!(begun - to <= apart)) {
            from = begun;
            to = ended;
        }
        to = Math.max(to, ended);
        longest = Math.max(longest, to - from);
    }
    return longest / 1000;
}

/** Why attempts failed, most frequent first: `12 × status 503, 1 × timed out`. Empty without failures. */
export function reasons(attempts: readonly Attempt[]): string {
    const counts = new Map<string, number>();
    for (const { why } of attempts) {
        if (why !== undefined) {
            counts.set(why, (counts.get(why) ?? 0) + 1);
        }
    }
    return [...counts]
        .sort(([, a], [, b]) => b - a)
        .map(([why, count]) => `${count} × ${why}`)
        .join(", ");
}

/** The acknowledged keys that are not there with their value, which is their own name. */
export function lost(acknowledged: readonly string[], found: Readonly<Record<string, string>>): string[] {
    return acknowledged.filter((key) => found[key] !== key);
}
