/** What is known when it is decided when to ask the CA next. Times are milliseconds since 1970. */
export interface Attempts {
    /** When the CA was asked last; undefined before the first time. */
    last: number | undefined;
    /** How often in a row it did not give a certificate. */
    failures: number;
}

export interface RetryDelays {
    retrySeconds: number;
    retryMaxSeconds: number;
}

/** When a certificate's renewal is due: when a third of its life is left, or up to 3 % of its life earlier. */
export function renewalTime(notBefore: number, notAfter: number, random: number): number {
    const life = notAfter - notBefore;
    return notAfter - life / 3 - life * 0.03 * random;
}

/** Seconds until the next attempt after so many failures in a row, up to a tenth longer by chance. */
export function retryDelay(failures: number, delays: RetryDelays, random: number): number {
    const doubled = delays.retrySeconds * 2 ** Math.min(Math.max(failures - 1, 0), 30);
    return Math.min(doubled, delays.retryMaxSeconds) * (1 + random / 10);
}

/**
 * When to ask the CA next. `valid` is the certificate that it gave earlier, if that is still good. After a failure
 * the CA is left alone for a while, over restarts too: a container that starts again and again must not use up the
 * attempts that a CA allows. After a success as well: with a clock that is wrong, a new certificate can look old.
 */
export function nextAttempt(
    now: number,
    valid: { notBefore: number; notAfter: number } | undefined,
    attempts: Attempts,
    delays: RetryDelays,
    random: number,
): number {
    const due = valid === undefined ? now : renewalTime(valid.notBefore, valid.notAfter, random);
    let pause = 0;
    if (attempts.failures > 0) {
        pause = retryDelay(attempts.failures, delays, random) * 1000;
    } else if (valid !== undefined) {
        pause = Math.min(delays.retrySeconds * 1000, (valid.notAfter - valid.notBefore) / 3);
    }
    const allowed = attempts.last === undefined ? now : attempts.last + pause;
    return Math.max(due, allowed, now);
}
