import type { Config, CreateLinodeRequest, Disk, InterfacePayload, Linode } from "@linode/api-v4";
import { createHash } from "node:crypto";

import { images } from "../catalogue/images";
import { regions } from "../catalogue/regions";
import { linodeTypes } from "../catalogue/types";
import { timestamp } from "../clock";
import { ApiError, invalid, noCapacity, refuse, type ErrorEntry } from "../errors";
import { provision } from "../lifecycle";
import type { Instance, OfInstance, Platform } from "../platform";
import { boolean, integer, label, listOfAll, oneOf, optional, tags, text } from "../schema";
import { attach } from "./firewall-devices";
import { interfacesSchema, makeInterfaces } from "./interfaces";
import { checkPlacement, place } from "./placement-groups";

/** Of the decoded user data; the API's own figure and words. */
const mostUserData = 16384;

export const instanceLabel = label(3, 64);

export const createSchema = {
    region: text,
    type: text,
    label: optional(instanceLabel),
    image: optional(text),
    root_pass: {
        type: ["string", "null"],
        minLength: 11,
        maxLength: 128,
    },
    authorized_keys: listOfAll(text),
    authorized_users: listOfAll(text),
    private_ip: optional(boolean),
    backups_enabled: optional(boolean),
    booted: optional(boolean),
    swap_size: optional(integer),
    group: optional(text),
    tags,
    firewall_id: optional(integer),
    metadata: { type: ["object", "null"], properties: { user_data: optional(text) } },
    placement_group: {
        type: ["object", "null"],
        properties: { id: integer, compliant_only: optional(boolean) },
        required: ["id"],
    },
    interfaces: interfacesSchema,
    interface_generation: optional(oneOf("legacy_config", "linode")),
    disk_encryption: optional(oneOf("enabled", "disabled")),
    maintenance_policy: optional(text),
};

/** Makes an instance of a valid request and starts to provision it. */
export function createInstance(platform: Platform, wanted: CreateLinodeRequest): Instance {
    const { userData, image } = check(platform, wanted);
    const type = linodeTypes.find(({ id }) => id === wanted.type)!;
    const id = platform.instances.newId();
    const publicAddress = platform.publicAddresses.take();
    const privateAddress = wanted.private_ip ? platform.privateAddresses.take() : undefined;
    const now = timestamp();
    const { disk, memory, vcpus, gpus, transfer, accelerated_devices } = type;
    const instance: Instance = {
        id,
        label: wanted.label || `linode${id}`,
        group: (wanted as { group?: string }).group ?? "",
        status: "provisioning",
        created: now,
        updated: now,
        type: type.id,
        ipv4: [publicAddress, ...(privateAddress ? [privateAddress] : [])],
        ipv6: `2001:db8::f03c:${hex(id >>> 16)}:${hex(id & 0xffff)}/128`,
        image: image?.id ?? null,
        region: wanted.region,
        site_type: "core",
        specs: { disk, memory, vcpus, gpus, transfer, accelerated_devices },
        alerts: { cpu: 90 * vcpus, network_in: 10, network_out: 10, transfer_quota: 80, io: 10000 },
        backups: backupsOf(wanted.backups_enabled ?? false),
        hypervisor: "kvm",
        watchdog_enabled: true,
        tags: wanted.tags ?? [],
        host_uuid: createHash("sha1").update(`host of ${id}`).digest("hex"),
        has_user_data: userData !== undefined,
        placement_group: null,
        disk_encryption:
            (wanted as { disk_encryption?: Linode["disk_encryption"] }).disk_encryption ?? "enabled",
        lke_cluster_id: null,
        locks: [],
        capabilities: ["Block Storage Encryption", "SMTP Enabled", "Maintenance Policy"],
        interface_generation: "legacy_config",
        maintenance_policy: "linode/migrate",
        hidden: {
            userData,
            authorizedKeys: wanted.authorized_keys ?? [],
            publicAddresses: [publicAddress],
            privateAddresses: privateAddress ? [privateAddress] : [],
            rdns: new Map(),
            queue: Promise.resolve(),
        },
    };
    try {
        addDisksAndConfig(platform, instance, wanted);
    } catch (error) {
        release(platform, instance);
        throw error;
    }
    platform.instances.add(instance);
    if (wanted.firewall_id) {
        attach(platform, wanted.firewall_id, { id, type: "linode" }, "firewall_id");
    }
    if (wanted.placement_group) {
        place(platform, instance, wanted.placement_group.id, "placement_group.id");
    }
    provision(platform, instance, image !== undefined && wanted.booted !== false);
    return instance;
}

/** Gives back an instance's addresses. */
export function release(platform: Platform, { hidden }: Instance): void {
    hidden.publicAddresses.forEach((address) => platform.publicAddresses.release(address));
    hidden.privateAddresses.forEach((address) => platform.privateAddresses.release(address));
}

export function backupsOf(enabled: boolean): Linode["backups"] {
    const backups = {
        enabled,
        available: enabled,
        schedule: { day: null, window: null },
        last_successful: null,
    };
    return backups;
}

function check(platform: Platform, wanted: CreateLinodeRequest) {
    const problems: ErrorEntry[] = [];
    const image = images.find(({ id }) => id === wanted.image);
    if (!linodeTypes.some(({ id }) => id === wanted.type)) {
        problems.push({ field: "type", reason: "A valid plan type by that ID was not found" });
    }
    const region = regions.find(({ id }) => id === wanted.region);
    if (!region) {
        problems.push({ field: "region", reason: "region is not valid" });
    }
    if (wanted.image && !image) {
        problems.push({ field: "image", reason: "image is not valid" });
    }
    refuse(problems);

    if (wanted.label) {
        platform.instances.requireUnique(wanted.label);
    }
    if (wanted.interface_generation === "linode") {
        throw invalid("interface_generation", "Linode Interfaces are not emulated, only legacy_config");
    }
    const keys = [...(wanted.authorized_keys ?? []), ...(wanted.authorized_users ?? [])];
    if (image && !wanted.root_pass && keys.length === 0) {
        throw invalid("root_pass", "root_pass is required");
    }
    const encoded = wanted.metadata?.user_data;
    if (encoded && !/^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(encoded)) {
        throw invalid("metadata.user_data", "user_data must be a base64 encoded string");
    }
    const userData = encoded ? Buffer.from(encoded, "base64") : undefined;
    if (userData && userData.length > mostUserData) {
        throw invalid("metadata.user_data", `decoded user_data must not exceed ${mostUserData} bytes`);
    }
    if (userData && !region!.capabilities.includes("Metadata")) {
        throw invalid("metadata", "The metadata service is not available in this region");
    }
    if (userData && image && !image.capabilities.includes("cloud-init")) {
        throw invalid("metadata", "The image does not support cloud-init");
    }
    if (wanted.firewall_id && !platform.firewalls.find(wanted.firewall_id)) {
        throw invalid("firewall_id", "firewall_id is not valid");
    }
    if (wanted.placement_group) {
        checkPlacement(platform, wanted.placement_group.id, wanted.region, "placement_group.id");
    }
    platform.requireRoom("instances", platform.instances.size);
    if (platform.soldOut.has(`${wanted.region}/${wanted.type}`)) {
        throw noCapacity();
    }
    return { userData, image };
}

/** With an image: its disk, a disk for swap and a configuration that boots it. Without: nothing. */
function addDisksAndConfig(platform: Platform, instance: Instance, wanted: CreateLinodeRequest): void {
    const image = images.find(({ id }) => id === instance.image);
    const payloads = (wanted.interfaces ?? []) as InterfacePayload[];
    if (!image) {
        if (payloads.length > 0) {
            throw new ApiError(400, { field: "interfaces", reason: "interfaces need an image to boot with" });
        }
        return;
    }
    const interfaces = makeInterfaces(platform, instance, payloads, undefined);
    const swap = wanted.swap_size ?? 512;
    if (swap < 0 || swap + image.size > instance.specs.disk) {
        throw invalid("swap_size", "swap_size must leave room for the image on the plan's disk");
    }
    const main = addDisk(platform, instance, `${image.label} Disk`, instance.specs.disk - swap, "ext4");
    const second = swap > 0 ? addDisk(platform, instance, `${swap} MB Swap Image`, swap, "swap") : undefined;
    addConfig(platform, instance, {
        label: `My ${image.label} Disk Profile`,
        disks: [main.id, ...(second ? [second.id] : [])],
        interfaces,
    });
}

function addDisk(
    platform: Platform,
    instance: Instance,
    name: string,
    size: number,
    filesystem: Disk["filesystem"],
): Disk {
    const now = timestamp();
    return platform.disks.add({
        id: platform.disks.newId(),
        linodeId: instance.id,
        label: name,
        size,
        filesystem,
        status: "not ready",
        disk_encryption: instance.disk_encryption,
        created: now,
        updated: now,
    });
}

/** Adds a configuration profile with the defaults of the API. */
export function addConfig(
    platform: Platform,
    instance: Instance,
    { label: name, disks, interfaces }: { label: string; disks: number[]; interfaces: Config["interfaces"] },
): OfInstance<Config> {
    const now = timestamp();
    const slots = ["sda", "sdb", "sdc", "sdd", "sde", "sdf", "sdg", "sdh"] as const;
    const devices = Object.fromEntries(
        slots.map((slot, index) => {
            const disk = disks[index];
            return [slot, disk === undefined ? null : { disk_id: disk, volume_id: null }];
        }),
    );
    return platform.configs.add({
        id: platform.configs.newId(),
        linodeId: instance.id,
        label: name,
        helpers: {
            updatedb_disabled: true,
            distro: true,
            modules_dep: true,
            network: true,
            devtmpfs_automount: true,
        },
        kernel: "linode/grub2",
        comments: "",
        memory_limit: 0,
        created: now,
        updated: now,
        root_device: "/dev/sda",
        devices,
        initrd: null,
        run_level: "default",
        virt_mode: "paravirt",
        interfaces,
    });
}

const hex = (value: number): string => value.toString(16);
