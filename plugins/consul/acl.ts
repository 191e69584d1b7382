import { HttpError, withLeader, type HttpApi, type RequestOptions } from "../lib/http-api";

import type { Context } from "../lib";
import type { Place } from "./catalog";

/** A policy, role … as a token or a role names it. */
export interface Link {
    ID?: string;
    Name?: string;
}

export interface Policy {
    ID: string;
    Name: string;
    Description: string;
    Rules: string;
    Datacenters?: string[] | null;
}

export interface ServiceIdentity {
    ServiceName: string;
    Datacenters?: string[] | null;
}

export interface NodeIdentity {
    NodeName: string;
    Datacenter: string;
}

export interface TemplatedPolicy {
    TemplateName: string;
    TemplateVariables?: { Name?: string; name?: string } | null;
    Datacenters?: string[] | null;
}

/** What a token or a role allows. */
export interface Grants {
    Policies?: Link[] | null;
    ServiceIdentities?: ServiceIdentity[] | null;
    NodeIdentities?: NodeIdentity[] | null;
    TemplatedPolicies?: TemplatedPolicy[] | null;
}

export interface Role extends Grants {
    ID: string;
    Name: string;
    Description: string;
}

export interface Token extends Grants {
    AccessorID: string;
    SecretID: string;
    Description: string;
    Roles?: Link[] | null;
    Local: boolean;
    ExpirationTime?: string | null;
}

export interface AuthMethod {
    Name: string;
    Type: string;
    DisplayName?: string;
    Description?: string;
    MaxTokenTTL?: string;
    TokenLocality?: string;
    Config?: Record<string, unknown> | null;
    NamespaceRules?: { Selector?: string; BindNamespace: string }[] | null;
}

export interface BindingRule {
    ID: string;
    Description: string;
    AuthMethod: string;
    Selector: string;
    BindType: string;
    BindName: string;
    BindVars?: { Name?: string; name?: string } | null;
}

/** What is below `/v1/acl/`. */
interface Kinds {
    policy: Policy;
    role: Role;
    token: Token;
    "auth-method": AuthMethod;
    "binding-rule": BindingRule;
}

type Kind = keyof Kinds;

type Calls = Pick<Context<unknown>, "signal" | "log">;

/** The endpoints of Consul's HTTP API for ACLs. All of them wait while the servers elect a leader. */
export class Acl {
    private readonly changing = new Map<string, Promise<void>>();

    constructor(
        private readonly api: HttpApi,
        private readonly datacenter: string | undefined,
    ) {}

    /** `undefined` when there is none of this id (for an auth method: of this name). */
    async read<K extends Kind>(
        calls: Calls,
        kind: K,
        id: string,
        place: Place,
    ): Promise<Kinds[K] | undefined> {
        return this.get(calls, path(kind, id), place);
    }

    async policyByName(calls: Calls, name: string, place: Place): Promise<Policy | undefined> {
        return this.get(calls, `/v1/acl/policy/name/${encodeURIComponent(name)}`, place);
    }

    /** `what` is for the message if Consul refuses. */
    async create<K extends Kind>(
        calls: Calls,
        kind: K,
        what: string,
        body: Partial<Kinds[K]>,
        place: Place,
    ): Promise<Kinds[K]> {
        return this.put(calls, `/v1/acl/${kind}`, what, body, place);
    }

    async update<K extends Kind>(
        calls: Calls,
        kind: K,
        id: string,
        what: string,
        body: Partial<Kinds[K]>,
        place: Place,
    ): Promise<Kinds[K]> {
        return this.put(calls, path(kind, id), what, body, place);
    }

    /** Runs what reads and then changes the same thing, one after the other. */
    async exclusively(id: string, work: () => Promise<void>): Promise<void> {
        const before = this.changing.get(id) ?? Promise.resolve();
        const done = before.catch(() => {}).then(work);
        this.changing.set(id, done);
        try {
            await done;
        } finally {
            if (this.changing.get(id) === done) {
                this.changing.delete(id);
            }
        }
    }

    /** Succeeds when it is already gone. */
    async remove(calls: Calls, kind: Kind, id: string, place: Place): Promise<void> {
        try {
            await withLeader(calls, () => this.api.delete(path(kind, id), this.options(calls, place)));
        } catch (error) {
            if (!isGone(error)) {
                throw error;
            }
        }
    }

    private async get<T>(calls: Calls, address: string, place: Place): Promise<T | undefined> {
        try {
            return await withLeader(calls, () => this.api.get<T>(address, this.options(calls, place)));
        } catch (error) {
            if (isGone(error)) {
                return undefined;
            }
            throw error;
        }
    }

    private async put<T>(
        calls: Calls,
        address: string,
        what: string,
        body: object,
        place: Place,
    ): Promise<T> {
        const namespaced = { ...body, Namespace: place.namespace, Partition: place.partition };
        try {
            return await withLeader(calls, () =>
                this.api.put<T>(address, namespaced, this.options(calls, place)),
            );
        } catch (error) {
            throw error instanceof HttpError
                ? new Error(`Consul refuses the ${what}: ${error.answer}`, { cause: error })
                : error;
        }
    }

    private options({ signal }: Calls, { namespace, partition }: Place): RequestOptions {
        return { signal, query: { dc: this.datacenter, ns: namespace, partition } };
    }
}

function path(kind: Kind, id: string): string {
    return `/v1/acl/${kind}/${encodeURIComponent(id)}`;
}

/**
 * A token that is asked for and is not there is "token does not exist: ACL not found". "ACL not found" alone is about
 * the token that asks: a wrong one must not make a refresh forget everything.
 */
function isGone(error: unknown): boolean {
    return (
        error instanceof HttpError &&
        (error.status === 404 || (error.status === 403 && /token does not exist/i.test(error.answer)))
    );
}
