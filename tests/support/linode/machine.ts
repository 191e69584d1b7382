import type { FirewallRules } from "@linode/api-v4";

import type { Machine } from "./driver";
import type { Instance, Platform } from "./platform";
import { vpcAddresses } from "./resources/interfaces";

/** What the driver has to know of an instance now. */
export function machineOf(platform: Platform, instance: Instance): Machine {
    const { hidden, id, label, region, image, specs } = instance;
    return {
        id,
        label,
        region,
        image,
        vcpus: specs.vcpus,
        memory: specs.memory,
        userData: hidden.userData,
        authorizedKeys: hidden.authorizedKeys,
        addresses: {
            public: hidden.publicAddresses[0]!,
            private: hidden.privateAddresses[0],
            vpc: vpcAddresses(platform, instance),
        },
        firewall: firewallOf(platform, "linode", id),
    };
}

/** One call of the driver at a time for an instance. */
export function withDriver(
    platform: Platform,
    instance: Instance,
    call: (machine: Machine) => Promise<void>,
): Promise<void> {
    const turn = instance.hidden.queue.then(() => call(machineOf(platform, instance)));
    instance.hidden.queue = turn.catch(() => undefined);
    return turn;
}

/** The rules that protect a thing: of the enabled firewall that it is a device of. */
export function firewallOf(platform: Platform, type: string, id: number): FirewallRules | undefined {
    const device = platform.devices.all().find(({ entity }) => entity.type === type && entity.id === id);
    const firewall = device && platform.firewalls.find(device.firewallId);
    return firewall?.status === "enabled" ? firewall.rules : undefined;
}
