import { boolean, list, map, object, string, type Properties } from "../lib";
import { basicAuthorization } from "../lib/http-api";
import { readTls, tlsSettings, type TlsSettings } from "../lib/tls-settings";

import type { HttpApiOptions } from "../lib/http-api";

export interface NomadConfig extends TlsSettings {
    address?: string;
    region?: string;
    secretId?: string;
    skipVerify?: boolean;
    httpAuth?: string;
    headers?: { name: string; value: string }[];
    ignoreEnvVars?: Record<string, boolean>;
}

export const nomadSettings: Properties = {
    address: string(),
    region: string(),
    secretId: string({ secret: true }),
    ...tlsSettings,
    skipVerify: boolean(),
    httpAuth: string({ secret: true }),
    headers: list(object({ name: string({ required: true }), value: string({ required: true }) }), {
        secret: true,
    }),
    ignoreEnvVars: map(boolean()),
};

/** The region of every request; the agent's own if neither the settings nor the environment name one. */
export function regionOf(config: NomadConfig, environment: NodeJS.ProcessEnv): string | undefined {
    const fromEnvironment = config.ignoreEnvVars?.NOMAD_REGION ? undefined : environment.NOMAD_REGION;
    return config.region || fromEnvironment || undefined;
}

/** How Nomad is reached. What the settings leave out comes from the environment of Nomad's own tools. */
export function connection(config: NomadConfig, environment: NodeJS.ProcessEnv): HttpApiOptions {
    const token = config.secretId || environment.NOMAD_TOKEN;
    const auth = config.httpAuth || environment.NOMAD_HTTP_AUTH;
    const headers = Object.fromEntries((config.headers ?? []).map(({ name, value }) => [name, value]));
    const skipVerify = config.skipVerify ?? /^(1|t|true)$/i.test(environment.NOMAD_SKIP_VERIFY ?? "");
    return {
        name: "Nomad",
        address: config.address || environment.NOMAD_ADDR || "http://127.0.0.1:4646",
        headers: {
            ...(auth ? { Authorization: basicAuthorization(auth) } : {}),
            ...headers,
            ...(token ? { "X-Nomad-Token": token } : {}),
        },
        tls: {
            ...readTls(config, {
                caFile: environment.NOMAD_CACERT,
                certFile: environment.NOMAD_CLIENT_CERT,
                keyFile: environment.NOMAD_CLIENT_KEY,
            }),
            servername: environment.NOMAD_TLS_SERVER_NAME || undefined,
            rejectUnauthorized: !skipVerify,
        },
        advise: (status, answer) => advise(status, answer, Boolean(token)),
    };
}

function advise(status: number, answer: string, hasToken: boolean): string | undefined {
    if (/ACL support disabled/i.test(answer)) {
        return `The servers' configuration needs acl { enabled = true }`;
    }
    if (status !== 401 && status !== 403) {
        return undefined;
    }
    if (!hasToken) {
        return `Set the provider's "secretId" (or NOMAD_TOKEN): without one, requests are anonymous`;
    }
    return /token (not found|is invalid|expired)/i.test(answer)
        ? `Nomad does not know the token: check the provider's "secretId" (or NOMAD_TOKEN)`
        : `Give the token of the provider's "secretId" (or NOMAD_TOKEN) a policy that allows it, or set another one`;
}
