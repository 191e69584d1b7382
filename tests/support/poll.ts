/** How long to keep asking. */
export interface Patience {
    /** Seconds until the answer has to be right. Default 30. */
    within?: number;
    /** Milliseconds between two questions. Default 200. */
    every?: number;
}

/**
 * Asks until `probe` returns without throwing, and returns what it returned. At the deadline it fails with the last
 * thing that the probe complained about, so that a failure says what was seen and not only that time was up.
 */
export async function eventually<T>(
    what: string,
    probe: () => Promise<T> | T,
    { within = 30, every = 200 }: Patience = {},
): Promise<T> {
    const started = Date.now();
    const deadline = started + within * 1000;
    let attempts = 0;
    for (;;) {
        attempts += 1;
        let seen: unknown;
        try {
            return await withDeadline(probe, deadline);
        } catch (error) {
            seen = error;
        }
        if (Date.now() + every >= deadline) {
            const seconds = ((Date.now() - started) / 1000).toFixed(1);
            const last = seen instanceof Error ? seen.message : String(seen);
            throw new Error(`${what}: not within ${seconds} s (${attempts} attempts); seen last: ${last}`, {
                cause: seen,
            });
        }
        await pause(every);
    }
}

/** Lets time pass between two looks at something; never instead of a look. */
export function pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** A probe that hangs must not outlive the deadline. */
async function withDeadline<T>(probe: () => Promise<T> | T, deadline: number): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error("no answer until the deadline")), deadline - Date.now());
    });
    try {
        return await Promise.race([Promise.resolve(probe()), late]);
    } finally {
        clearTimeout(timer);
    }
}
