/**
 * Asks until the answer is neither undefined nor false, and returns it. Rejects after `withinMs` with the last error;
 * an error before is no answer.
 */
export async function poll<T>(
    withinMs: number,
    everyMs: number,
    probe: () => Promise<T | undefined | false>,
): Promise<T> {
    const deadline = Date.now() + withinMs;
    for (;;) {
        let last: unknown = new Error(`not within ${withinMs / 1000} s`);
        try {
            const answer = await probe();
            if (answer !== undefined && answer !== false) {
                return answer;
            }
        } catch (error) {
            last = error;
        }
        if (Date.now() >= deadline) {
            throw last;
        }
        await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
}
