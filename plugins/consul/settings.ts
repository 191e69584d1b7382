import { boolean, list, object, string, type Properties } from "../lib";
import { basicAuthorization } from "../lib/http-api";
import { readCertificateFolder, readTls, tlsSettings, type Tls, type TlsSettings } from "../lib/tls-settings";

import type { HttpApiOptions } from "../lib/http-api";

export interface ConsulConfig extends TlsSettings {
    address?: string;
    scheme?: string;
    datacenter?: string;
    token?: string;
    caPath?: string;
    insecureHttps?: boolean;
    httpAuth?: string;
    headers?: { name: string; value: string }[];
}

export const consulSettings: Properties = {
    address: string(),
    scheme: string({ oneOf: ["http", "https"] }),
    datacenter: string(),
    token: string({ secret: true }),
    ...tlsSettings,
    caPath: string(),
    insecureHttps: boolean(),
    httpAuth: string({ secret: true }),
    headers: list(object({ name: string({ required: true }), value: string({ required: true }) }), {
        secret: true,
    }),
};

/**
 * How Consul is reached. What the settings leave out comes from the environment: first by the official plugin's names,
 * then by those of Consul's own tools.
 */
export function connection(config: ConsulConfig, environment: NodeJS.ProcessEnv): HttpApiOptions {
    const found = (...names: string[]): string | undefined =>
        names.map((name) => environment[name]).find((value) => value);
    const token = config.token || found("CONSUL_TOKEN", "CONSUL_HTTP_TOKEN");
    const auth = config.httpAuth || found("CONSUL_HTTP_AUTH");
    const headers = Object.fromEntries((config.headers ?? []).map(({ name, value }) => [name, value]));
    return {
        name: "Consul",
        address: address(config, found),
        headers: {
            ...(auth ? { Authorization: basicAuthorization(auth) } : {}),
            ...headers,
            ...(token ? { "X-Consul-Token": token } : {}),
        },
        tls: tls(config, found),
        advise: (status, answer) => advise(status, answer, token !== undefined),
    };
}

type Find = (...names: string[]) => string | undefined;

function address(config: ConsulConfig, found: Find): string {
    const host = config.address || found("CONSUL_ADDRESS", "CONSUL_HTTP_ADDR") || "127.0.0.1:8500";
    const ssl = isTrue(found("CONSUL_HTTP_SSL")) ? "https" : undefined;
    const scheme = config.scheme || found("CONSUL_SCHEME", "CONSUL_HTTP_SCHEME") || ssl;
    if (config.insecureHttps && scheme !== "https") {
        throw new Error('the provider\'s "insecureHttps" needs "scheme": "https"');
    }
    // As in Consul's own client, https once asked for is never given up.
    const [, stated, rest] = /^(https?):\/\/(.*)$/.exec(host) ?? [undefined, undefined, host];
    return `${stated === "https" || scheme === "https" ? "https" : "http"}://${rest}`;
}

function tls(config: ConsulConfig, found: Find): Tls {
    const files = {
        caFile: found("CONSUL_CA_FILE", "CONSUL_CACERT"),
        certFile: found("CONSUL_CERT_FILE", "CONSUL_CLIENT_CERT"),
        keyFile: found("CONSUL_KEY_FILE", "CONSUL_CLIENT_KEY"),
    };
    const read = readTls(config, files);
    const folder = config.caPath || found("CONSUL_CAPATH");
    const verify = found("CONSUL_HTTP_SSL_VERIFY");
    return {
        ...read,
        ca: read.ca ?? (folder ? readCertificateFolder(folder, 'the provider\'s "caPath"') : undefined),
        servername: found("CONSUL_TLS_SERVER_NAME"),
        rejectUnauthorized: !config.insecureHttps && (verify === undefined || isTrue(verify)),
    };
}

function isTrue(text: string | undefined): boolean {
    return text !== undefined && /^(1|t|true)$/i.test(text);
}

function advise(status: number, answer: string, hasToken: boolean): string | undefined {
    if (status !== 401 && status !== 403) {
        return undefined;
    }
    if (/ACL support disabled/i.test(answer)) {
        return `The agent's configuration needs acl { enabled = true }`;
    }
    if (!hasToken) {
        return `Set the provider's "token" (or CONSUL_HTTP_TOKEN): without one, requests are anonymous`;
    }
    return /ACL not found/i.test(answer)
        ? `Consul does not know the token: check the provider's "token" (or CONSUL_HTTP_TOKEN)`
        : `Give the provider's "token" (or CONSUL_HTTP_TOKEN) a policy that allows it, or set another one`;
}
