import { integer, set, string, type FunctionDefinition, type Properties } from "../lib";
import type { LinodeClient } from "./client";
import { named, renamed, simple } from "./simple";

const domainNames = {
    domain: "domain",
    type: "type",
    soaEmail: "soa_email",
    description: "description",
    group: "group",
    status: "status",
    ttlSec: "ttl_sec",
    refreshSec: "refresh_sec",
    retrySec: "retry_sec",
    expireSec: "expire_sec",
    masterIps: "master_ips",
    axfrIps: "axfr_ips",
    tags: "tags",
};

/** What the API shows of things that nobody has set: no value of the program's. */
const unset = (value: unknown): boolean =>
    value === "" || value === 0 || (Array.isArray(value) && value.length === 0);

function withoutUnset<T extends Record<string, unknown>>(values: T, always: string[]): T {
    return Object.fromEntries(
        Object.entries(values).filter(([name, value]) => always.includes(name) || !unset(value)),
    ) as T;
}

export const domain = simple({
    what: "a domain",
    path: () => "/domains",
    inputs: {
        domain: string({ required: true }),
        type: string({ required: true, replace: true, oneOf: ["master", "slave"] }),
        soaEmail: string(),
        description: string(),
        group: string(),
        status: string({ computed: true }),
        ttlSec: integer(),
        refreshSec: integer(),
        retrySec: integer(),
        expireSec: integer(),
        masterIps: set(string()),
        axfrIps: set(string()),
        tags: set(string(), { computed: true }),
    },
    create: (inputs) => renamed(inputs, domainNames),
    change: (inputs) => renamed(inputs, domainNames),
    filter: ({ domain: name }) => ({ domain: name }),
    show: (answer: Record<string, unknown>) => ({
        inputs: withoutUnset(named(answer, domainNames), ["domain", "type", "status", "tags"]),
        outputs: {},
    }),
});

const recordNames = {
    recordType: "type",
    name: "name",
    target: "target",
    ttlSec: "ttl_sec",
    priority: "priority",
    port: "port",
    protocol: "protocol",
    service: "service",
    tag: "tag",
    weight: "weight",
};

export const domainRecord = simple({
    what: "a domain's record",
    ids: 2,
    path: ({ domainId }) => `/domains/${String(domainId)}/records`,
    parents: ([domainId]) => ({ domainId }),
    inputs: {
        domainId: integer({ required: true, replace: true }),
        recordType: string({ required: true, replace: true }),
        name: string({ computed: true }),
        target: string({ required: true }),
        ttlSec: integer(),
        priority: integer(),
        port: integer(),
        protocol: string(),
        service: string(),
        tag: string(),
        weight: integer(),
    },
    create: (inputs) => renamed(inputs, recordNames),
    change: (inputs) => renamed({ ...inputs, recordType: undefined }, recordNames),
    filter: ({ recordType, target }) => ({ type: recordType, target }),
    show: (answer: Record<string, unknown>) => ({
        inputs: withoutUnset(named(answer, recordNames), ["recordType", "name", "target"]),
        outputs: {},
    }),
});

const found: Properties = {
    id: integer(),
    domain: string(),
    type: string(),
    group: string(),
    status: string(),
    description: string(),
    soaEmail: string(),
    masterIps: set(string()),
    axfrIps: set(string()),
    ttlSec: integer(),
    retrySec: integer(),
    expireSec: integer(),
    refreshSec: integer(),
    tags: set(string()),
};

/** A domain of the account, by its name or its number. */
export const getDomain: FunctionDefinition<LinodeClient> = {
    inputs: { id: integer(), domain: string() },
    outputs: found,
    invoke: async (context, { id, domain: name }: { id?: number; domain?: string }) => {
        const [answer] =
            id === undefined
                ? await context.client.list<Record<string, unknown>>(context, "/domains", { domain: name })
                : [await context.client.find<Record<string, unknown>>(context, `/domains/${id}`)];
        if (!answer) {
            throw new Error(`Domain ${id ?? name} was not found`);
        }
        return { id: Number(answer["id"]), ...named(answer, domainNames) };
    },
};
