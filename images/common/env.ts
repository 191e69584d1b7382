/** Reads a whole number from the environment; a wrong one is refused by name, before anything listens. */
export function integerFrom(
    env: NodeJS.ProcessEnv,
    name: string,
    fallback: number,
    min: number,
    max: number,
): number {
    const text = env[name];
    if (text === undefined || text === "") {
        return fallback;
    }
    const value = Number(text);
    if (!Number.isInteger(value) || value < min || value > max) {
        throw new Error(`${name} must be a whole number from ${min} to ${max}, not "${text}"`);
    }
    return value;
}

/** The TCP port to listen on. */
export function portFrom(env: NodeJS.ProcessEnv, fallback: number): number {
    return integerFrom(env, "PORT", fallback, 1, 65535);
}

/** How long to keep answering after SIGTERM, in milliseconds; see `GracefulServer`. */
export function drainDelayFrom(env: NodeJS.ProcessEnv): number {
    return integerFrom(env, "DRAIN_DELAY_MS", 500, 0, 60_000);
}
