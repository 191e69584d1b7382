import { HttpError, withLeader, type HttpApi, type RequestOptions } from "../lib/http-api";

import type { Context } from "../lib";

/** A node, service or check as the catalogue answers; only what is used here. */
export interface CatalogNode {
    Node: { Node: string; Address: string; Datacenter: string; Meta: Record<string, string> | null };
    Services: Record<string, CatalogService> | null;
}

export interface CatalogService {
    ID: string;
    Service: string;
    Tags: string[] | null;
    Address: string;
    Port: number;
    Meta: Record<string, string> | null;
    Weights: { Passing: number; Warning: number };
    EnableTagOverride: boolean;
}

export interface CatalogCheck {
    Node: string;
    CheckID: string;
    Name: string;
    Notes: string;
    Status: string;
    Output: string;
    ServiceID: string;
    Definition: CheckDefinition;
}

/** How a check is to be made. The servers leave out what is not set, and durations of zero. */
export interface CheckDefinition {
    HTTP?: string;
    TCP?: string;
    Header?: Record<string, string[]>;
    Method?: string;
    TLSSkipVerify?: boolean;
    Interval?: string;
    Timeout?: string;
    DeregisterCriticalServiceAfter?: string;
}

/** Where in the catalogue: the resource's own settings go before the provider's. */
export interface Place {
    datacenter?: string;
    namespace?: string;
    partition?: string;
}

type Calls = Pick<Context<unknown>, "signal" | "log">;

/** The endpoints of Consul's HTTP API for the catalogue. All of them wait while the servers elect a leader. */
export class Catalog {
    constructor(
        private readonly api: HttpApi,
        private readonly datacenter: string | undefined,
    ) {}

    /** A node with its services; `undefined` when there is none of this name. */
    async node(calls: Calls, name: string, place: Place): Promise<CatalogNode | undefined> {
        const path = `/v1/catalog/node/${encodeURIComponent(name)}`;
        const options = this.options(calls, place);
        const { body, headers } = await withLeader(calls, () =>
            this.api.request<CatalogNode | null>("GET", path, options),
        );
        // What a token may not read, Consul leaves out; a refresh must not take that for gone.
        if (!body && headers["x-consul-results-filtered-by-acls"] === "true") {
            throw new Error(
                `the provider's "token" (or CONSUL_HTTP_TOKEN) may not read the node "${name}": ` +
                    `give it a policy with node "${name}" { policy = "read" }, or set another one`,
            );
        }
        return body ?? undefined;
    }

    /** The health checks of a node and its services; none when there is no such node. */
    async checks(calls: Calls, node: string, place: Place): Promise<CatalogCheck[]> {
        const path = `/v1/health/node/${encodeURIComponent(node)}`;
        return withLeader(calls, () => this.api.get<CatalogCheck[]>(path, this.options(calls, place)));
    }

    /** Adds what the registration names, or changes it; `what` is for the message if Consul refuses. */
    async register(
        calls: Calls,
        what: string,
        registration: Record<string, unknown>,
        place: Place,
    ): Promise<void> {
        await this.change(calls, "/v1/catalog/register", `the ${what}`, registration, place);
    }

    /** Removes a node, a service or a check; succeeds when it is already gone. */
    async deregister(
        calls: Calls,
        target: { Node: string; ServiceID?: string; CheckID?: string },
        place: Place,
    ): Promise<void> {
        await this.change(calls, "/v1/catalog/deregister", `to remove from ${target.Node}`, target, place);
    }

    private async change(
        calls: Calls,
        path: string,
        what: string,
        request: Record<string, unknown>,
        place: Place,
    ): Promise<void> {
        const body = { Datacenter: place.datacenter ?? this.datacenter, ...request };
        try {
            await withLeader(calls, () => this.api.put(path, body, this.options(calls, place)));
        } catch (error) {
            throw error instanceof HttpError ? new Error(`Consul refuses ${what}: ${error.answer}`) : error;
        }
    }

    private options({ signal }: Calls, place: Place): RequestOptions {
        const { datacenter = this.datacenter, namespace, partition } = place;
        return { signal, query: { dc: datacenter, ns: namespace, partition } };
    }
}
