import type Docker from "dockerode";

/** The engine of one provider resource. Connects when it is first used, so that a preview needs no engine. */
export class Engine {
    private docker: Promise<Docker> | undefined;

    constructor(
        /** `unix:///…`, `tcp://host:port`, `http://…` or `npipe:////./pipe/docker_engine`. */
        readonly host: string,
        private readonly tls: { ca?: string; cert?: string; key?: string } = {},
    ) {}

    api(): Promise<Docker> {
        // Loaded late: the library is large, and the plugin has to answer quickly.
        this.docker ??= import("dockerode").then(({ default: Dockerode }) => new Dockerode(this.options()));
        return this.docker;
    }

    private options(): Docker.DockerOptions {
        const url = new URL(this.host);
        switch (url.protocol) {
            case "unix:":
                return { socketPath: url.pathname };
            case "npipe:":
                return { socketPath: this.host.slice("npipe://".length) };
            case "tcp:":
            case "http:":
            case "https:": {
                const secure = url.protocol === "https:" || this.tls.cert !== undefined;
                return {
                    host: url.hostname,
                    port: url.port || (secure ? "2376" : "2375"),
                    protocol: secure ? "https" : "http",
                    ...this.tls,
                };
            }
            default:
                throw new Error(
                    `the Docker host "${this.host}" is reached by ${url.protocol.slice(0, -1)}, which this stand-in does ` +
                        "not cover; use unix:// or tcp://, or install the official docker 5.2.0 plugin",
                );
        }
    }
}

/** A failed call to the engine. */
export interface EngineError extends Error {
    statusCode?: number;
    code?: string;
    json?: { message?: string };
}

export function isStatus(error: unknown, status: number): boolean {
    return (error as EngineError).statusCode === status;
}

/** The engine's own words, or why it could not be asked and what to do about it. */
export function explain(error: unknown, host: string): string {
    const { code, json, message } = error as EngineError;
    switch (code) {
        case "ENOENT":
        case "ECONNREFUSED":
        case "ENOTFOUND":
            return `no Docker engine answers at ${host} (${code}): start Docker, or set docker:host or DOCKER_HOST`;
        case "EACCES":
            return `not permitted to use the Docker engine at ${host}: add yourself to the group of its socket (usually "docker")`;
        case "ECONNRESET":
        case "EPIPE":
            return `the Docker engine at ${host} closed the connection (${code}); is it being restarted?`;
    }
    return withRemedy((json?.message ?? message).replace(/^\(HTTP code \d+\) [^-]+ - /, "").trim());
}

/** Adds what a user can do about the engine's most common complaints. */
function withRemedy(message: string): string {
    if (/no space left on device/i.test(message)) {
        return `${message}: free some disk space (docker system df shows what Docker uses; docker builder prune frees unused layers)`;
    }
    if (/pool overlaps/i.test(message)) {
        return `${message}: another network uses the subnet (docker network ls); choose another one`;
    }
    if (/port is already allocated|address already in use/i.test(message)) {
        return `${message}: another program has the port or address; stop it, or choose another one`;
    }
    return message;
}

/** Runs a call and explains its failure as "what: why". Statuses in `pass` are left to the caller. */
export async function call<T>(
    engine: Engine,
    what: string,
    run: () => Promise<T>,
    pass: number[] = [],
): Promise<T> {
    try {
        return await run();
    } catch (error) {
        const { statusCode, name } = error as EngineError;
        if ((statusCode !== undefined && pass.includes(statusCode)) || name === "AbortError") {
            throw error;
        }
        throw Object.assign(new Error(`${what}: ${explain(error, engine.host)}`, { cause: error }), {
            statusCode,
        });
    }
}

/** The result, or `undefined` when the engine does not know the object. */
export async function ifFound<T>(
    engine: Engine,
    what: string,
    run: () => Promise<T>,
): Promise<T | undefined> {
    try {
        return await call(engine, what, run, [404]);
    } catch (error) {
        if (isStatus(error, 404)) {
            return undefined;
        }
        throw error;
    }
}
