import type { Api } from "./api";
import type { Item } from "./compare";
import type { Inventory } from "./system";

/** Keys of one answer. */
const page = 1000;

/** etcd's count of changes to users, roles and what they may: it has none for each of them. */
const auth = "auth";

interface Header {
    /** Of the last change to any key. 64 bits, so a text. */
    revision: string;
}

interface Range {
    header: Header;
    kvs?: KeyValue[];
    more?: boolean;
}

/** Key and value in base64. */
interface KeyValue {
    key: string;
    value?: string;
    mod_revision: string;
    lease?: string;
}

/** Key and end of a range in base64. */
interface Permission {
    permType?: string;
    key?: string;
    range_end?: string;
}

/**
 * What etcd knows. Keys with a lease are not in it: they are about the moment, as those who wrote them have to say again
 * every few seconds, and nobody does in a throwaway etcd.
 */
export async function etcdInventory(api: Api): Promise<Inventory> {
    const status = await api.post<{ enabled?: boolean; authRevision?: string }>("/v3/auth/status");
    const { users = [] } = await api.post<{ users?: string[] }>("/v3/auth/user/list");
    const { roles = [] } = await api.post<{ roles?: string[] }>("/v3/auth/role/list");
    const index = Number(status.authRevision ?? 0);
    const about = (kind: string, id: string, content: unknown): Item => ({
        kind: `etcd: ${kind}`,
        id,
        index,
        count: auth,
        content,
    });
    const items: Item[] = [about("authentication", "enabled", status.enabled ?? false)];
    for (const name of users) {
        const user = await api.post<{ roles?: string[] }>("/v3/auth/user/get", { name });
        items.push(about("users", name, [...(user.roles ?? [])].sort()));
    }
    for (const role of roles) {
        const { perm = [] } = await api.post<{ perm?: Permission[] }>("/v3/auth/role/get", { role });
        items.push(about("roles", role, perm.map((each) => JSON.stringify(permission(each))).sort()));
    }
    const { keys, revision } = await allKeys(api);
    for (const { key, value = "", mod_revision } of keys.filter(({ lease }) => (lease ?? "0") === "0")) {
        items.push({ kind: "etcd: keys", id: readable(key), index: Number(mod_revision), content: value });
    }
    return { items, counts: { [auth]: index, revision } };
}

/** As of one revision, in parts: an answer with everything could be as large as the memory. */
async function allKeys(api: Api): Promise<{ keys: KeyValue[]; revision: number }> {
    const keys: KeyValue[] = [];
    let next = Buffer.from([0]);
    let revision: string | undefined;
    for (;;) {
        const found = await api.post<Range>("/v3/kv/range", {
            key: next.toString("base64"),
            // To the last key.
            range_end: Buffer.from([0]).toString("base64"),
            limit: String(page),
            revision: revision ?? "0",
        });
        revision ??= found.header.revision;
        keys.push(...(found.kvs ?? []));
        const last = keys.at(-1);
        if (!found.more || last === undefined) {
            return { keys, revision: Number(revision) };
        }
        next = Buffer.concat([Buffer.from(last.key, "base64"), Buffer.from([0])]);
    }
}

/** With what the gateway leaves out since it is the default. */
function permission({ permType = "READ", key = "", range_end = "" }: Permission): Required<Permission> {
    return { permType, key, range_end };
}

/** A key as text; as it came where it is none. */
function readable(base64: string): string {
    const bytes = Buffer.from(base64, "base64");
    const text = bytes.toString("utf8");
    return Buffer.from(text, "utf8").equals(bytes) ? text : base64;
}
