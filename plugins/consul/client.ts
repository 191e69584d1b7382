import { HttpApi, HttpError, type RequestOptions } from "../lib/http-api";
import { pem, type TlsSettings } from "../lib/tls-settings";
import { Catalog } from "./catalog";

export interface ConsulConfig extends TlsSettings {
    address?: string;
    scheme?: string;
    datacenter?: string;
    token?: string;
    insecureHttps?: boolean;
}

/** What names a configuration entry. Namespaces and partitions are features of Consul Enterprise. */
export interface EntryKey {
    kind: string;
    name: string;
    namespace?: string;
    partition?: string;
}

export type Entry = Record<string, unknown>;

/** Consul's HTTP API: the configuration entries, and the catalogue. */
export class ConsulClient {
    readonly catalog: Catalog;
    private readonly api: HttpApi;
    private readonly datacenter: string | undefined;

    constructor(config: ConsulConfig, environment: NodeJS.ProcessEnv = process.env) {
        this.datacenter = config.datacenter;
        const token = config.token ?? environment.CONSUL_HTTP_TOKEN ?? environment.CONSUL_TOKEN;
        const address = config.address ?? environment.CONSUL_HTTP_ADDR ?? "127.0.0.1:8500";
        const scheme = config.scheme ?? environment.CONSUL_SCHEME ?? "http";
        this.api = new HttpApi({
            name: "Consul",
            address: address.includes("://") ? address : `${scheme}://${address}`,
            headers: token ? { "X-Consul-Token": token } : {},
            tls: {
                ca: pem(config.caPem, config.caFile),
                cert: pem(config.certPem, config.certFile),
                key: pem(config.keyPem, config.keyFile),
                rejectUnauthorized: !config.insecureHttps,
            },
        });
        this.catalog = new Catalog(this.api, config.datacenter);
    }

    async entry(key: EntryKey, signal?: AbortSignal): Promise<Entry | undefined> {
        try {
            return await this.api.get<Entry>(path(key), { signal, query: this.query(key) });
        } catch (error) {
            if (error instanceof HttpError && error.status === 404) {
                return undefined;
            }
            throw error;
        }
    }

    async putEntry(key: EntryKey, entry: Entry, signal?: AbortSignal): Promise<void> {
        const body = { ...entry, Kind: key.kind, Name: key.name };
        await this.api.put("/v1/config", body, { signal, query: this.query(key) });
    }

    /** Succeeds when there is no such entry. */
    async deleteEntry(key: EntryKey, signal?: AbortSignal): Promise<void> {
        await this.api.delete(path(key), { signal, query: this.query(key) });
    }

    private query({ namespace, partition }: EntryKey): RequestOptions["query"] {
        return { dc: this.datacenter, ns: namespace, partition };
    }
}

function path({ kind, name }: EntryKey): string {
    return `/v1/config/${encodeURIComponent(kind)}/${encodeURIComponent(name)}`;
}
