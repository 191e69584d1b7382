import type { FirewallDevice, FirewallDeviceEntityType } from "@linode/api-v4";

import { timestamp } from "../clock";
import { invalid } from "../errors";
import { withDriver } from "../machine";
import type { Device, Platform } from "../platform";
import { balancerOf } from "./balancer-view";

const paths: Record<string, string> = { linode: "/linode/instances", nodebalancer: "/nodebalancers" };

/** Puts a thing behind a firewall. Each can be behind one only. */
export function attach(
    platform: Platform,
    firewallId: number,
    { id, type }: { id: number; type: FirewallDeviceEntityType },
    field: string,
): Device {
    const thing =
        type === "linode"
            ? platform.instances.find(id)
            : type === "nodebalancer"
              ? platform.balancers.find(id)
              : undefined;
    if (!thing) {
        throw invalid(field, `${id} is not a valid ${type}`);
    }
    if (platform.devices.all().some(({ entity }) => entity.type === type && entity.id === id)) {
        throw invalid(field, `${thing.label} is already assigned to a Cloud Firewall`);
    }
    const now = timestamp();
    return platform.devices.add({
        id: platform.devices.newId(),
        created: now,
        updated: now,
        entity: { id, type, label: thing.label, url: `/v4${paths[type]}/${id}`, parent_entity: null },
        firewallId,
    });
}

/** Takes a thing from behind its firewall, as its deletion does. */
export function detach(platform: Platform, type: string, id: number): void {
    for (const device of platform.devices.all()) {
        if (device.entity.type === type && device.entity.id === id) {
            platform.devices.remove(device.id);
        }
    }
}

/** Lets the driver know that what protects a thing has changed. */
export async function enforce(platform: Platform, entity: { id: number; type: string }): Promise<void> {
    const instance = entity.type === "linode" ? platform.instances.find(entity.id) : undefined;
    if (instance && instance.status !== "deleting") {
        await withDriver(platform, instance, (machine) => platform.driver.protect(machine));
    }
    if (entity.type === "nodebalancer" && platform.balancers.find(entity.id)) {
        await platform.driver.balance(balancerOf(platform, entity.id));
    }
}

export function deviceView({ id, created, updated, entity }: Device): FirewallDevice {
    return { id, created, updated, entity };
}
