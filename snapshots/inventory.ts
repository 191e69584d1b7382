import type { Api } from "./api";
import type { Item } from "./compare";

/** The throwaway server's name: what it registers of itself is not in the snapshot. */
export const rehearsalNode = "gatehouse-rehearsal";

/** An object of an API: fields that this program knows by name, and others. */
type Thing = Record<string, unknown> & { ModifyIndex: number };

/** Config entries of the free edition: intentions are among them. */
const configKinds = [
    "service-defaults",
    "service-router",
    "service-splitter",
    "service-resolver",
    "service-intentions",
    "proxy-defaults",
    "mesh",
    "ingress-gateway",
    "terminating-gateway",
    "api-gateway",
    "http-route",
    "tcp-route",
    "inline-certificate",
    "exported-services",
    "jwt-provider",
];

/**
 * What Consul knows. Health, sessions and coordinates are not in it: they are about the moment. The catalogue comes
 * first: a minute after its election a throwaway leader removes nodes that are no members of it.
 */
export async function consulInventory(api: Api): Promise<Item[]> {
    const items: Item[] = [];
    const add = (kind: string, id: unknown, { ModifyIndex }: Thing, content: unknown) =>
        items.push({ kind: `Consul: ${kind}`, id: String(id), index: ModifyIndex, content });
    const whole = async (kind: string, path: string, id: string) => {
        for (const each of await api.list<Thing>(path)) {
            add(kind, each[id], each, without(each, "CreateIndex", "ModifyIndex"));
        }
    };

    const nodes = (await api.list<Thing>("/v1/catalog/nodes")).filter(({ Node }) => Node !== rehearsalNode);
    for (const node of nodes) {
        add("nodes", node["Node"], node, pick(node, "ID", "Address", "TaggedAddresses", "Meta"));
    }
    for (const { Node } of nodes) {
        const path = `/v1/catalog/node-services/${encodeURIComponent(String(Node))}`;
        const { Services = [] } = (await api.get<{ Services?: Thing[] }>(path)) ?? {};
        for (const service of Services) {
            const content = pick(
                service,
                "Service",
                "Tags",
                "Address",
                "Port",
                "Meta",
                "Kind",
                "Proxy",
                "Connect",
            );
            add("services", `${String(Node)}/${String(service["ID"])}`, service, content);
        }
    }
    for (const key of await api.list<Thing>("/v1/kv/?recurse=true")) {
        add("keys", key["Key"], key, pick(key, "Value", "Flags"));
    }
    for (const kind of configKinds) {
        for (const entry of await api.list<Thing>(`/v1/config/${kind}`)) {
            const id = `${kind}/${String(entry["Name"] ?? kind)}`;
            add("config entries, intentions", id, entry, without(entry, "CreateIndex", "ModifyIndex"));
        }
    }
    await whole("ACL policies", "/v1/acl/policies", "Name");
    await whole("ACL roles", "/v1/acl/roles", "Name");
    await whole("ACL tokens", "/v1/acl/tokens", "AccessorID");
    await whole("auth methods", "/v1/acl/auth-methods", "Name");
    await whole("binding rules", "/v1/acl/binding-rules", "ID");
    await whole("prepared queries", "/v1/query", "ID");
    const roots = await api.get<{ Roots: Thing[] }>("/v1/connect/ca/roots");
    for (const root of roots?.Roots ?? []) {
        add("CA roots of the mesh", root["ID"], root, pick(root, "RootCert", "Active"));
    }
    return items;
}

/** What Nomad knows and is to keep: no allocations, evaluations and nodes, which are about the moment. */
export async function nomadInventory(api: Api): Promise<Item[]> {
    const items: Item[] = [];
    const add = (kind: string, id: unknown, index: number, content: unknown) =>
        items.push({ kind: `Nomad: ${kind}`, id: String(id), index, content });
    const whole = async (kind: string, path: string, id: string) => {
        for (const each of await api.list<Thing>(path)) {
            add(kind, each[id], each.ModifyIndex, without(each, "CreateIndex", "ModifyIndex"));
        }
    };

    await whole("namespaces", "/v1/namespaces", "Name");
    await whole("node pools", "/v1/node/pools", "Name");
    for (const { ID, Namespace } of await api.list<Thing>("/v1/jobs?namespace=*")) {
        const path = `/v1/job/${encodeURIComponent(String(ID))}?namespace=${String(Namespace)}`;
        const job = await api.get<Thing>(path);
        if (job !== undefined) {
            // The status follows from allocations. The others are set anew by a leader that looks at the job.
            const content = without(job, "CreateIndex", "ModifyIndex", "Status", "StatusDescription");
            add("jobs", `${String(Namespace)}/${String(ID)}`, job.ModifyIndex, content);
        }
    }
    for (const { Path, Namespace } of await api.list<Thing>("/v1/vars?namespace=*")) {
        const path = `/v1/var/${String(Path).split("/").map(encodeURIComponent).join("/")}?namespace=${String(Namespace)}`;
        const variable = await api.get<Thing>(path);
        if (variable !== undefined) {
            const content = pick(variable, "Items");
            add(
                "variables, decrypted",
                `${String(Namespace)}/${String(Path)}`,
                variable.ModifyIndex,
                content,
            );
        }
    }
    await whole("ACL policies", "/v1/acl/policies", "Name");
    await whole("ACL roles", "/v1/acl/roles", "ID");
    await whole("ACL tokens", "/v1/acl/tokens", "AccessorID");
    await whole("auth methods", "/v1/acl/auth-methods", "Name");
    await whole("binding rules", "/v1/acl/binding-rules", "ID");
    const indices = new Map(
        (await api.list<Thing>("/v1/operator/keyring/keys")).map((key) => [key["KeyID"], key.ModifyIndex]),
    );
    const { keys = [] } =
        (await api.get<{ keys?: Record<string, unknown>[] }>("/.well-known/jwks.json")) ?? {};
    for (const key of keys) {
        add("keys of identities", key["kid"], indices.get(key["kid"]) ?? 0, key);
    }
    return items;
}

function pick(thing: Thing, ...fields: string[]): object {
    return Object.fromEntries(fields.map((field) => [field, thing[field] ?? null]));
}

function without(thing: Thing, ...fields: string[]): object {
    return Object.fromEntries(Object.entries(thing).filter(([field]) => !fields.includes(field)));
}
