import { any, boolean, integer, list, object, set, string, type Properties } from "../lib";

/** As the API answers; only what is read. */
export interface Linode {
    id: number;
    label: string;
    group: string;
    status: string;
    created: string;
    type: string;
    region: string;
    image: string | null;
    ipv4: string[];
    ipv6: string;
    tags: string[];
    host_uuid: string;
    has_user_data: boolean;
    watchdog_enabled: boolean;
    disk_encryption?: string;
    lke_cluster_id: number | null;
    capabilities: string[];
    specs: { disk: number; memory: number; vcpus: number; transfer: number };
    alerts: Record<string, number>;
    backups: {
        enabled: boolean;
        available?: boolean;
        schedule: { day: string | null; window: string | null };
    };
    placement_group: { id: number } | null;
}

export interface Interface {
    purpose: string;
    label?: string;
    ipamAddress?: string;
    subnetId?: number;
    primary?: boolean;
    ipRanges?: string[];
    ipv4?: { vpc?: string; nat11?: string };
}

export interface Inputs {
    region: string;
    type: string;
    label?: string;
    image?: string;
    rootPass?: string;
    authorizedKeys?: string[];
    authorizedUsers?: string[];
    tags?: string[];
    group?: string;
    privateIp?: boolean;
    booted?: boolean;
    swapSize?: number;
    backupsEnabled?: boolean;
    watchdogEnabled: boolean;
    firewallId?: number;
    metadatas?: { userData?: string }[];
    placementGroup?: { id: number; compliantOnly?: boolean };
    interfaces?: Interface[];
    diskEncryption?: string;
    migrationType: string;
    resizeDisk: boolean;
}

export interface Outputs extends Inputs {
    status: string;
    ipAddress: string;
    ipv4s: string[];
    ipv6: string;
    privateIpAddress?: string;
    hostUuid: string;
    hasUserData: boolean;
    capabilities: string[];
    lkeClusterId: number;
    specs: Record<string, number>[];
    alerts: Record<string, number>;
    backups: object[];
}

export const inputs: Properties = {
    region: string({ required: true, replace: true }),
    type: string({ default: "g6-standard-1" }),
    label: string({ computed: true, validate: length(3, 50) }),
    image: string({ replace: true }),
    rootPass: string({ secret: true, replace: true, validate: length(11, 128) }),
    authorizedKeys: list(string(), { replace: true }),
    authorizedUsers: list(string(), { replace: true }),
    tags: set(string(), { computed: true }),
    group: string(),
    privateIp: boolean(),
    booted: boolean({ computed: true }),
    swapSize: integer({ computed: true, replace: true }),
    backupsEnabled: boolean({ computed: true }),
    watchdogEnabled: boolean({ default: true }),
    firewallId: integer({ replace: true }),
    metadatas: list(object({ userData: string() }), { replace: true }),
    placementGroup: object({ id: integer({ required: true }), compliantOnly: boolean() }),
    interfaces: list(
        object({
            purpose: string({ required: true, oneOf: ["public", "vlan", "vpc"] }),
            label: string(),
            ipamAddress: string(),
            subnetId: integer(),
            primary: boolean({ default: false }),
            ipRanges: list(string()),
            ipv4: object({ vpc: string(), nat11: string() }),
        }),
    ),
    diskEncryption: string({ computed: true, replace: true, oneOf: ["enabled", "disabled"] }),
    migrationType: string({ default: "cold", oneOf: ["cold", "warm"] }),
    resizeDisk: boolean({ default: false }),
};

export const outputs: Properties = {
    status: string(),
    ipAddress: string(),
    ipv4s: list(string()),
    ipv6: string(),
    privateIpAddress: string(),
    hostUuid: string(),
    hasUserData: boolean(),
    capabilities: list(string()),
    lkeClusterId: integer(),
    specs: list(any()),
    alerts: any(),
    backups: list(any()),
};

function length(shortest: number, longest: number): (text: string) => string | undefined {
    return (text) =>
        text.length < shortest || text.length > longest
            ? `must be ${shortest} to ${longest} characters long`
            : undefined;
}

/** What the API's answer means for the resource. */
export function outputsOf(
    linode: Linode,
): Omit<Outputs, keyof Inputs> & Pick<Outputs, "label" | "tags"> & Partial<Inputs> {
    const isPrivate = (address: string) => address.startsWith("192.168.");
    const { disk, memory, vcpus, transfer } = linode.specs;
    const { alerts, backups } = linode;
    return {
        label: linode.label,
        tags: linode.tags,
        booted: linode.status === "running" || linode.status === "booting",
        backupsEnabled: backups.enabled,
        diskEncryption: linode.disk_encryption,
        status: linode.status,
        ipAddress: linode.ipv4.find((address) => !isPrivate(address)) ?? "",
        ipv4s: linode.ipv4,
        ipv6: linode.ipv6,
        privateIpAddress: linode.ipv4.find(isPrivate) ?? "",
        hostUuid: linode.host_uuid,
        hasUserData: linode.has_user_data,
        capabilities: linode.capabilities,
        lkeClusterId: linode.lke_cluster_id ?? 0,
        specs: [{ disk, memory, vcpus, transfer }],
        alerts: {
            cpu: alerts.cpu!,
            io: alerts.io!,
            networkIn: alerts.network_in!,
            networkOut: alerts.network_out!,
            transferQuota: alerts.transfer_quota!,
        },
        backups: [
            {
                available: backups.available ?? false,
                enabled: backups.enabled,
                schedules: [{ day: backups.schedule.day ?? "", window: backups.schedule.window ?? "" }],
            },
        ],
    };
}

/** The interfaces of a configuration as the API wants them. */
export function interfacePayload(interfaces: Interface[] | undefined) {
    return (interfaces ?? []).map(({ purpose, label, ipamAddress, subnetId, primary, ipRanges, ipv4 }) => ({
        purpose,
        primary,
        ...(label ? { label } : {}),
        ...(ipamAddress ? { ipam_address: ipamAddress } : {}),
        ...(subnetId ? { subnet_id: subnetId } : {}),
        ...(ipRanges?.length ? { ip_ranges: ipRanges } : {}),
        ...(ipv4
            ? {
                  ipv4: {
                      ...(ipv4.vpc ? { vpc: ipv4.vpc } : {}),
                      ...(ipv4.nat11 ? { nat_1_1: ipv4.nat11 } : {}),
                  },
              }
            : {}),
    }));
}
