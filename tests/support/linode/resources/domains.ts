import type { CreateDomainPayload, Domain, UpdateDomainPayload } from "@linode/api-v4";

import { timestamp } from "../clock";
import { invalid } from "../errors";
import { entityOf, type ZoneRecord } from "../platform";
import { bodyOf, given, ids, without, type Routes } from "../routes";
import { between, body, integer, listOfAll, oneOf, optional, tags, text } from "../schema";

/** What the zone's times may be: the API rounds to these, 0 stands for its default. */
const allowedSeconds = [
    0, 30, 120, 300, 3600, 7200, 14400, 28800, 57600, 86400, 172800, 345600, 604800, 1209600, 2419200,
];

const seconds = { ...integer, enum: allowedSeconds, reason: `Must be one of ${allowedSeconds.join(", ")}` };

const domainSchema = {
    domain: {
        type: "string",
        pattern: "^(?=.{1,253}$)([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\\.)+[A-Za-z]{2,}$",
        reason: "domain is not valid",
    },
    type: oneOf("master", "slave"),
    soa_email: optional(text),
    status: oneOf("active", "disabled"),
    description: optional(text),
    group: optional(text),
    master_ips: listOfAll(text),
    axfr_ips: listOfAll(text),
    ttl_sec: seconds,
    refresh_sec: seconds,
    retry_sec: seconds,
    expire_sec: seconds,
    tags,
};

const recordSchema = {
    type: oneOf("A", "AAAA", "NS", "MX", "CNAME", "TXT", "SRV", "PTR", "CAA"),
    name: optional(text),
    target: text,
    ttl_sec: seconds,
    port: between(0, 65535),
    priority: between(0, 255),
    weight: between(0, 65535),
    service: optional(text),
    protocol: optional(text),
    tag: optional(text),
};

export const domains: Routes = (app, platform) => {
    const entity = ({ id, domain }: Domain) => entityOf("domain", "/domains", { id, label: domain });

    app.get("/domains", (request) => platform.domains.list(request, (domain) => domain));
    app.get("/domains/:id", (request) => platform.domains.get(ids(request).id!));

    app.post("/domains", { schema: body(domainSchema, ["domain", "type"]) }, (request) => {
        const wanted = bodyOf<CreateDomainPayload & UpdateDomainPayload>(request);
        platform.requireRoom("domains", platform.domains.size);
        requireUnique(wanted.domain);
        if (wanted.type === "master" && !wanted.soa_email) {
            throw invalid("soa_email", "soa_email required when type=master");
        }
        const domain = platform.domains.add<Domain>({
            id: platform.domains.newId(),
            domain: wanted.domain,
            type: wanted.type,
            soa_email: wanted.soa_email ?? "",
            status: "active",
            description: "",
            group: "",
            master_ips: [],
            axfr_ips: [],
            ttl_sec: 0,
            refresh_sec: 0,
            retry_sec: 0,
            expire_sec: 0,
            tags: [],
            updated: timestamp(),
            ...changes(wanted),
        });
        platform.events.notify("domain_create", entity(domain));
        return domain;
    });

    app.put("/domains/:id", { schema: body(domainSchema) }, (request) => {
        const domain = platform.domains.get(ids(request).id!);
        const wanted = bodyOf<UpdateDomainPayload>(request);
        if (wanted.domain !== undefined) {
            requireUnique(wanted.domain, domain.id);
            domain.domain = wanted.domain;
        }
        Object.assign(domain, changes(wanted), given(wanted, "soa_email"), { updated: timestamp() });
        platform.events.notify("domain_update", entity(domain));
        return domain;
    });

    app.delete("/domains/:id", (request) => {
        const domain = platform.domains.get(ids(request).id!);
        platform.domains.remove(domain.id);
        for (const record of recordsOf(domain.id)) {
            platform.records.remove(record.id);
        }
        platform.events.notify("domain_delete", entity(domain));
        return {};
    });

    const view = (record: ZoneRecord) => without(record, "domainId");
    const recordOf = (request: Parameters<typeof ids>[0]): ZoneRecord => {
        const { id, recordId } = ids(request);
        const domain = platform.domains.get(id!);
        const record = platform.records.get(recordId!);
        return record.domainId === domain.id ? record : platform.records.get(-1);
    };

    app.get("/domains/:id/records", (request) => {
        const domain = platform.domains.get(ids(request).id!);
        return platform.records.list(request, view, ({ domainId }) => domainId === domain.id);
    });
    app.get("/domains/:id/records/:recordId", (request) => view(recordOf(request)));

    app.post("/domains/:id/records", { schema: body(recordSchema, ["type"]) }, (request) => {
        const domain = platform.domains.get(ids(request).id!);
        const wanted = bodyOf<Partial<ZoneRecord>>(request);
        if (domain.type === "slave") {
            throw invalid("domain_id", "Records of a slave domain cannot be changed");
        }
        if (wanted.target === undefined) {
            throw invalid("target", "target is required");
        }
        const now = timestamp();
        const record = platform.records.add<ZoneRecord>({
            id: platform.records.newId(),
            domainId: domain.id,
            type: wanted.type!,
            name: "",
            target: "",
            ttl_sec: 0,
            port: 0,
            priority: 0,
            weight: 0,
            service: null,
            protocol: null,
            tag: null,
            created: now,
            updated: now,
            ...recordChanges(wanted),
        });
        platform.events.notify("domain_record_create", entity(domain));
        return view(record);
    });

    app.put("/domains/:id/records/:recordId", { schema: body(recordSchema) }, (request) => {
        const record = recordOf(request);
        Object.assign(record, recordChanges(bodyOf<Partial<ZoneRecord>>(request)), { updated: timestamp() });
        platform.events.notify("domain_record_update", entity(platform.domains.get(record.domainId)));
        return view(record);
    });

    app.delete("/domains/:id/records/:recordId", (request) => {
        const record = recordOf(request);
        platform.records.remove(record.id);
        platform.events.notify("domain_record_delete", entity(platform.domains.get(record.domainId)));
        return {};
    });

    function recordsOf(domainId: number): ZoneRecord[] {
        return platform.records.all().filter((record) => record.domainId === domainId);
    }

    function requireUnique(name: string, except?: number): void {
        if (platform.domains.all().some(({ domain, id }) => domain === name && id !== except)) {
            throw invalid("domain", "DNS zone already exists.");
        }
    }
};

function changes(wanted: UpdateDomainPayload): Partial<Domain> {
    return given(
        wanted,
        "status",
        "description",
        "group",
        "master_ips",
        "axfr_ips",
        "ttl_sec",
        "refresh_sec",
        "retry_sec",
        "expire_sec",
        "tags",
    );
}

function recordChanges(wanted: Partial<ZoneRecord>): Partial<ZoneRecord> {
    return given(
        wanted,
        "name",
        "target",
        "ttl_sec",
        "port",
        "priority",
        "weight",
        "service",
        "protocol",
        "tag",
    );
}
