import type { Platform } from "./platform";
import { without } from "./routes";

/** A thing that the account has. */
export interface Owned {
    kind: string;
    id: number;
    label: string;
    tags: string[];
}

/** Everything that the account has: what a bill would be made of, and what a teardown must leave nothing of. */
export function inventory(platform: Platform): Owned[] {
    const named = (kind: string, things: { id: number; label: string; tags?: string[] | null }[]): Owned[] =>
        things.map(({ id, label, tags }) => ({ kind, id, label, tags: tags ?? [] }));
    return [
        ...named("linode", platform.instances.all()),
        ...named("firewall", platform.firewalls.all()),
        ...named("nodebalancer", platform.balancers.all()),
        ...named("vpc", platform.vpcs.all()),
        ...named("subnet", platform.subnets.all()),
        ...named("placement_group", platform.placementGroups.all()),
        ...named("ssh_key", platform.sshKeys.all()),
        ...platform.domains
            .all()
            .map(({ id, domain, tags }) => ({ kind: "domain", id, label: domain, tags })),
        ...platform.records
            .all()
            .map(({ id, type, name }) => ({ kind: "domain_record", id, label: `${type} ${name}`, tags: [] })),
    ];
}

/** The things that can have tags, with what the API shows of them. */
export function taggedThings(platform: Platform): { kind: string; tags: string[]; data: object }[] {
    return [
        ...platform.instances
            .all()
            .map((instance) => ({ kind: "linode", tags: instance.tags, data: without(instance, "hidden") })),
        ...platform.balancers.all().map((data) => ({ kind: "nodebalancer", tags: data.tags, data })),
        ...platform.firewalls.all().map((data) => ({ kind: "firewall", tags: data.tags, data })),
        ...platform.domains.all().map((data) => ({ kind: "domain", tags: data.tags, data })),
    ];
}
