import { HttpApi, HttpError, type RequestOptions } from "../lib/http-api";
import { Acl } from "./acl";
import { Catalog } from "./catalog";
import { connection, type ConsulConfig } from "./settings";

/** What names a configuration entry. Namespaces and partitions are features of Consul Enterprise. */
export interface EntryKey {
    kind: string;
    name: string;
    namespace?: string;
    partition?: string;
}

export type Entry = Record<string, unknown>;

/** Consul's HTTP API: the configuration entries, the catalogue and the ACLs. */
export class ConsulClient {
    readonly acl: Acl;
    readonly catalog: Catalog;
    private readonly api: HttpApi;
    private readonly datacenter: string | undefined;

    constructor(config: ConsulConfig, environment: NodeJS.ProcessEnv = process.env) {
        this.datacenter = config.datacenter;
        this.api = new HttpApi(connection(config, environment));
        this.acl = new Acl(this.api, config.datacenter);
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
