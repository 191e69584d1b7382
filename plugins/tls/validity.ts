const hour = 3_600_000;

/** Milliseconds since 1970 after which a certificate should be replaced. */
function renewalTime(validityEndTime: string, earlyRenewalHours: number): number {
    const end = Date.parse(validityEndTime);
    if (Number.isNaN(end)) {
        throw new Error(`"validityEndTime" is no time that can be read: ${JSON.stringify(validityEndTime)}`);
    }
    return end - earlyRenewalHours * hour;
}

/** Whether a certificate has expired, or will within the given hours. */
export function isReadyForRenewal(
    validityEndTime: string,
    earlyRenewalHours: number,
    now: Date = new Date(),
): boolean {
    return renewalTime(validityEndTime, earlyRenewalHours) <= now.getTime();
}

/** From now on, for the given hours. */
export function validity(hours: number, now: Date = new Date()): { notBefore: Date; notAfter: Date } {
    return { notBefore: now, notAfter: new Date(now.getTime() + hours * hour) };
}
