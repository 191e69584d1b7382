import type { Config, Interface, InterfacePayload } from "@linode/api-v4";

import { inRange, netmask, parseRange, toAddress, toNumber } from "../addresses";
import { invalid, notFound } from "../errors";
import type { Instance, Platform } from "../platform";
import { between, boolean, integer, listOfAll, oneOf, optional, text, type Schema } from "../schema";

/** The interfaces of a configuration profile: the older of the API's two kinds, and the one that the provider uses. */
export const interfaceSchema: Schema = {
    type: "object",
    properties: {
        purpose: oneOf("public", "vlan", "vpc"),
        primary: boolean,
        label: optional(text),
        ipam_address: optional(text),
        subnet_id: optional(integer),
        ipv4: {
            type: ["object", "null"],
            properties: { vpc: optional(text), nat_1_1: optional(text) },
        },
        ip_ranges: listOfAll(text),
    },
    required: ["purpose"],
};

/** At most three interfaces a configuration. */
export const interfacesSchema: Schema = {
    type: ["array", "null"],
    items: interfaceSchema,
    maxItems: 3,
    reason: "Must have at most 3 interfaces",
};

export const portNumber = between(1, 65535);

/** Makes interfaces of what a request asks for, with addresses from their subnets. */
export function makeInterfaces(
    platform: Platform,
    instance: Instance,
    wanted: InterfacePayload[],
    configId: number | undefined,
): Interface[] {
    const made: Interface[] = [];
    if (wanted.filter(({ purpose }) => purpose === "public").length > 1) {
        throw invalid("interfaces", "Only one public interface per config is allowed.");
    }
    wanted.forEach((payload, index) => {
        const one: Interface = {
            id: platform.newInterfaceId(),
            purpose: payload.purpose,
            primary: payload.primary ?? false,
            active: false,
            label: payload.purpose === "vlan" ? (payload.label ?? null) : null,
            ipam_address: payload.purpose === "vlan" ? (payload.ipam_address ?? "") : null,
            vpc_id: null,
            subnet_id: null,
            ip_ranges: payload.purpose === "vpc" ? (payload.ip_ranges ?? []) : [],
        };
        if (payload.purpose === "vpc") {
            const others = made.map(({ ipv4 }) => ipv4?.vpc);
            Object.assign(
                one,
                inSubnet(platform, instance, payload, `interfaces[${index}]`, configId, others),
            );
        }
        made.push(one);
    });
    return made;
}

function inSubnet(
    platform: Platform,
    instance: Instance,
    { subnet_id: subnetId, ipv4 }: InterfacePayload,
    field: string,
    configId: number | undefined,
    others: (string | null | undefined)[],
): Pick<Interface, "vpc_id" | "subnet_id" | "ipv4"> {
    if (subnetId === undefined || subnetId === null) {
        throw invalid(`${field}.subnet_id`, "subnet_id is required for a VPC interface");
    }
    const subnet = platform.subnets.find(subnetId);
    const vpc = subnet && platform.vpcs.find(subnet.vpcId);
    if (!subnet || !vpc) {
        throw invalid(`${field}.subnet_id`, "subnet_id is not valid");
    }
    if (vpc.region !== instance.region) {
        throw invalid(`${field}.subnet_id`, "The VPC must be in the same region as the Linode");
    }
    const taken = new Set([...addressesIn(platform, subnet.id, instance.id, configId), ...others]);
    const address = ipv4?.vpc
        ? checkedAddress(subnet.ipv4, ipv4.vpc, taken, field)
        : free(subnet.ipv4, taken);
    if (address === undefined) {
        throw invalid(`${field}.ipv4.vpc`, "There is no free address left in the subnet");
    }
    const nat = ipv4?.nat_1_1;
    if (nat && nat !== "any" && !instance.hidden.publicAddresses.includes(nat)) {
        throw invalid(`${field}.ipv4.nat_1_1`, "Must be a public IPv4 address of the Linode, or any");
    }
    return {
        vpc_id: vpc.id,
        subnet_id: subnet.id,
        ipv4: { vpc: address, nat_1_1: nat ? instance.hidden.publicAddresses[0]! : null },
    };
}

function checkedAddress(range: string, address: string, taken: ReadonlySet<unknown>, field: string): string {
    if (!usable(range, address)) {
        throw invalid(`${field}.ipv4.vpc`, `Must be an address of the subnet ${range} that is not reserved`);
    }
    if (taken.has(address)) {
        throw invalid(`${field}.ipv4.vpc`, `${address} is already in use in the subnet`);
    }
    return address;
}

/** The first two and the last two addresses of a subnet are the network's own. */
function usable(range: string, address: string): boolean {
    const bounds = parseRange(range)!;
    const value = toNumber(address);
    return inRange(address, range) && value! >= bounds.first + 2 && value! <= bounds.last - 2;
}

function free(range: string, taken: ReadonlySet<unknown>): string | undefined {
    const { first, last } = parseRange(range)!;
    for (let value = first + 2; value <= last - 2; value += 1) {
        if (!taken.has(toAddress(value))) {
            return toAddress(value);
        }
    }
    return undefined;
}

/** Addresses of a subnet that are in use, but for the ones of one configuration. */
function addressesIn(platform: Platform, subnetId: number, linodeId: number, configId?: number): string[] {
    return platform.configs
        .all()
        .filter((config) => config.linodeId !== linodeId || config.id !== configId)
        .flatMap(({ interfaces }) => interfaces ?? [])
        .filter(({ subnet_id }) => subnet_id === subnetId)
        .flatMap(({ ipv4 }) => (ipv4?.vpc ? [ipv4.vpc] : []));
}

/** The configuration that counts: the booted one, or the first. */
export function currentConfig(platform: Platform, instance: Instance): Config | undefined {
    const configs = platform.configs.all().filter(({ linodeId }) => linodeId === instance.id);
    return configs.find(({ id }) => id === instance.hidden.bootedConfig) ?? configs[0];
}

/** An instance's place in its VPCs, for the driver. */
export function vpcAddresses(platform: Platform, instance: Instance) {
    return (currentConfig(platform, instance)?.interfaces ?? [])
        .filter(({ purpose }) => purpose === "vpc")
        .map(({ vpc_id: vpcId, subnet_id: subnetId, ipv4 }) => ({
            vpcId: vpcId!,
            subnetId: subnetId!,
            address: ipv4!.vpc!,
            range: platform.subnets.get(subnetId!).ipv4,
        }));
}

/** The addresses of one or of all VPCs as the API lists them. */
export function vpcIps(platform: Platform, { vpcId, linodeId }: { vpcId?: number; linodeId?: number }) {
    return platform.configs.all().flatMap((config) => {
        const instance = platform.instances.find(config.linodeId);
        return (config.interfaces ?? [])
            .filter(({ vpc_id }) => vpc_id && (vpcId === undefined || vpc_id === vpcId))
            .filter(() => instance && (linodeId === undefined || instance.id === linodeId))
            .map((one) => {
                const subnet = platform.subnets.get(one.subnet_id!);
                const { first, prefix } = parseRange(subnet.ipv4)!;
                return {
                    address: one.ipv4!.vpc!,
                    address_range: null,
                    vpc_id: one.vpc_id!,
                    subnet_id: subnet.id,
                    region: instance!.region,
                    linode_id: config.linodeId,
                    config_id: config.id,
                    interface_id: one.id,
                    nodebalancer_id: null,
                    active: one.active,
                    nat_1_1: one.ipv4!.nat_1_1 ?? null,
                    gateway: toAddress(first + 1),
                    prefix,
                    subnet_mask: netmask(prefix),
                };
            });
    });
}

/** An interface of a configuration by its id, or the API's 404. */
export function interfaceOf(config: Config, id: string): Interface {
    const found = config.interfaces?.find((one) => one.id === Number(id));
    if (!found) {
        throw notFound();
    }
    return found;
}
