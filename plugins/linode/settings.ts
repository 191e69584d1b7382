import * as fs from "node:fs";

import { boolean, integer, string, type Properties } from "../lib";
import type { HttpApiOptions } from "../lib/http-api";

export interface LinodeConfig {
    token?: string;
    url?: string;
    apiVersion?: string;
    apiCaPath?: string;
    uaPrefix?: string;
    /** Milliseconds between two looks at an event or an instance. Default 4000. */
    eventPollMs?: number;
    /** Milliseconds before the first repetition of a request. Default 3000. */
    minRetryDelayMs?: number;
    /** Milliseconds before a later one, at most. Default 30000. */
    maxRetryDelayMs?: number;
    skipInstanceReadyPoll?: boolean;
    skipInstanceDeletePoll?: boolean;
    skipImplicitReboots?: boolean;
    configPath?: string;
}

export const linodeSettings: Properties = {
    token: string({ secret: true }),
    url: string(),
    apiVersion: string(),
    apiCaPath: string(),
    uaPrefix: string(),
    eventPollMs: integer(),
    minRetryDelayMs: integer(),
    maxRetryDelayMs: integer(),
    skipInstanceReadyPoll: boolean(),
    skipInstanceDeletePoll: boolean(),
    skipImplicitReboots: boolean(),
    configPath: string(),
};

/** How the API is reached. What the settings leave out comes from the environment of Linode's own tools. */
export function connection(config: LinodeConfig, environment: NodeJS.ProcessEnv): HttpApiOptions {
    const token = config.token || environment.LINODE_TOKEN;
    const base = config.url || environment.LINODE_URL || "https://api.linode.com";
    const version = config.apiVersion || environment.LINODE_API_VERSION || "v4";
    const ca = config.apiCaPath || environment.LINODE_CA;
    return {
        name: "Linode",
        // An address without a scheme is taken as https, as Linode's own client takes it.
        address:
            `${/^https?:\/\//.test(base) ? base : `https://${base}`}`.replace(/\/+$/, "") + `/${version}`,
        headers: {
            ...(token ? { Authorization: `Bearer ${token}` } : {}),
            "User-Agent": [config.uaPrefix || environment.LINODE_UA_PREFIX, "gatehouse"]
                .filter(Boolean)
                .join(" "),
        },
        tls: ca ? { ca: fs.readFileSync(ca, "utf8") } : undefined,
        advise: (status) => advise(status, token !== undefined && token !== ""),
    };
}

function advise(status: number, hasToken: boolean): string | undefined {
    if (status !== 401) {
        return undefined;
    }
    return hasToken
        ? `Check the provider's "token" (or LINODE_TOKEN): Linode does not know it, or it lacks a scope`
        : `Set the provider's "token" (or LINODE_TOKEN) to a personal access token`;
}
