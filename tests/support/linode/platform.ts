import type {
    Config,
    Disk,
    Domain,
    DomainRecord,
    Entity,
    Firewall,
    FirewallDevice,
    Linode,
    NodeBalancer,
    NodeBalancerConfig,
    NodeBalancerConfigNode,
    PlacementGroup,
    SSHKey,
    Subnet,
    VPC,
} from "@linode/api-v4";

import { AddressPool, privateRange } from "./addresses";
import type { Clock } from "./clock";
import { Collection } from "./collection";
import type { Driver } from "./driver";
import { accountLimit } from "./errors";
import type { Events } from "./events";
import type { Faults } from "./faults";

/** Things of which an account may have only so many. Absent: as many as it likes. */
export interface Limits {
    instances?: number;
    nodebalancers?: number;
    firewalls?: number;
    vpcs?: number;
    domains?: number;
    placementGroups?: number;
    /** POST /linode/instances in 15 seconds of real life. */
    createsPerWindow?: number;
}

/** An instance, with what the API does not show. */
export interface Instance extends Linode {
    host_uuid: string;
    hidden: {
        userData?: Buffer;
        authorizedKeys: string[];
        publicAddresses: string[];
        privateAddresses: string[];
        rdns: Map<string, string>;
        /** What is being done to it; nothing else can begin meanwhile. */
        job?: string;
        /** The configuration that it booted with last. */
        bootedConfig?: number;
        /** Calls of the driver, one after the other. */
        queue: Promise<unknown>;
    };
}

export type OfInstance<T> = T & { linodeId: number };
export type Device = FirewallDevice & { firewallId: number };
export type ZoneRecord = DomainRecord & { domainId: number };

/** At the start of each range, for the networks themselves. */
const reservedAddresses = 16;

/** All that the platform has and knows. It outlives the server, which can crash and start again. */
export class Platform {
    readonly instances = new Collection<Instance>({
        firstId: 52_557_001,
        unique: "linodes",
        filterable: ["id", "label", "group", "image", "region", "tags", "type", "status", "ipv4", "created"],
    });
    readonly disks = new Collection<OfInstance<Disk>>({
        firstId: 101_400_001,
        filterable: ["id", "label", "size"],
    });
    readonly configs = new Collection<OfInstance<Config>>({
        firstId: 55_800_001,
        filterable: ["id", "label"],
    });
    readonly firewalls = new Collection<Firewall>({
        firstId: 228_001,
        unique: "Cloud Firewalls",
        filterable: ["id", "label", "status", "tags", "created", "updated"],
    });
    readonly devices = new Collection<Device>({
        firstId: 4_120_001,
        filterable: ["id", "created", "updated", "entity.id", "entity.type"],
    });
    readonly balancers = new Collection<NodeBalancer>({
        firstId: 441_001,
        unique: "NodeBalancers",
        filterable: ["id", "label", "region", "hostname", "ipv4", "ipv6", "tags"],
    });
    readonly ports = new Collection<Omit<NodeBalancerConfig, "nodes">>({
        firstId: 670_001,
        filterable: ["id", "port", "protocol"],
    });
    readonly nodes = new Collection<NodeBalancerConfigNode>({
        firstId: 9_800_001,
        filterable: ["id", "label", "address"],
    });
    readonly vpcs = new Collection<Omit<VPC, "subnets">>({
        firstId: 33_001,
        unique: "VPCs",
        filterable: ["id", "label", "region", "description"],
    });
    readonly subnets = new Collection<Omit<Subnet, "linodes"> & { ipv4: string; vpcId: number }>({
        firstId: 47_001,
        filterable: ["id", "label", "ipv4"],
    });
    readonly sshKeys = new Collection<SSHKey>({ firstId: 81_001, filterable: ["id", "label", "created"] });
    readonly domains = new Collection<Domain>({
        firstId: 3_100_001,
        filterable: ["id", "domain", "group", "tags", "type", "status"],
    });
    readonly records = new Collection<ZoneRecord>({
        firstId: 40_700_001,
        filterable: ["id", "name", "tag", "target", "type"],
    });
    readonly placementGroups = new Collection<Omit<PlacementGroup, "members">>({
        firstId: 12_001,
        unique: "Placement Groups",
        filterable: [
            "id",
            "label",
            "region",
            "placement_group_type",
            "placement_group_policy",
            "is_compliant",
        ],
    });
    /** Which group an instance is in. */
    readonly placements = new Map<number, number>();
    readonly publicAddresses: AddressPool;
    /** What NodeBalancers call from is at the far end, which is never reached. */
    readonly privateAddresses: AddressPool;
    private lastInterfaceId = 230_000;

    constructor(
        readonly clock: Clock,
        readonly events: Events,
        readonly faults: Faults,
        readonly driver: Driver,
        readonly limits: Limits,
        /** Plans that are sold out, as `region/type`. */
        readonly soldOut: ReadonlySet<string>,
        ranges: { public: string; private?: string },
    ) {
        this.publicAddresses = new AddressPool(ranges.public, reservedAddresses);
        this.privateAddresses = new AddressPool(ranges.private ?? privateRange, reservedAddresses);
    }

    newInterfaceId(): number {
        this.lastInterfaceId += 1;
        return this.lastInterfaceId;
    }

    /** Refuses one more than the account may have. */
    requireRoom(kind: keyof Limits, existing: number): void {
        const limit = this.limits[kind];
        if (limit !== undefined && existing >= limit) {
            throw accountLimit();
        }
    }
}

/** How events and firewalls name a thing. */
export function entityOf(type: string, path: string, { id, label }: { id: number; label: string }): Entity {
    return { id, label, type, url: `/v4${path}/${id}` };
}

export const linodeEntity = (instance: { id: number; label: string }): Entity =>
    entityOf("linode", "/linode/instances", instance);
