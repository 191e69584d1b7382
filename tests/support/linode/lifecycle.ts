import type { EventAction, LinodeStatus } from "@linode/api-v4";

import { timestamp } from "./clock";
import type { Machine } from "./driver";
import { busy } from "./errors";
import { withDriver } from "./machine";
import { linodeEntity, type Instance, type Platform } from "./platform";

/** How long things take in real life, in seconds. The first three were measured on the real platform. */
export const durations = {
    create: 65,
    boot: 24,
    shutdown: 28,
    /** Not measured: an estimate. */
    delete: 10,
    /** Not measured: an estimate; moving the disk of a small plan. */
    resize: 120,
};

/** Refuses while another job of the instance is under way. */
export function requireFree(instance: Instance): void {
    if (instance.hidden.job !== undefined) {
        throw busy();
    }
}

export function provision(platform: Platform, instance: Instance, booted: boolean): void {
    job(platform, instance, "linode_create", durations.create, "provisioning", {
        finished: () => {
            for (const disk of platform.disks.all().filter(({ linodeId }) => linodeId === instance.id)) {
                disk.status = "ready";
            }
            instance.status = "offline";
            if (booted) {
                boot(platform, instance);
            }
        },
        failed: "offline",
    });
}

export function boot(platform: Platform, instance: Instance, configId?: number): void {
    job(platform, instance, "linode_boot", durations.boot, "booting", {
        run: (machine) => platform.driver.boot(machine),
        finished: () => running(platform, instance, configId),
        failed: "offline",
    });
}

export function shutdown(platform: Platform, instance: Instance): void {
    job(platform, instance, "linode_shutdown", durations.shutdown, "shutting_down", {
        run: (machine) => platform.driver.shutdown(machine),
        finished: () => (instance.status = "offline"),
        failed: "running",
    });
}

export function reboot(platform: Platform, instance: Instance, configId?: number): void {
    job(platform, instance, "linode_reboot", durations.shutdown + durations.boot, "rebooting", {
        run: async (machine) => {
            await platform.driver.shutdown(machine);
            await platform.driver.boot(machine);
        },
        finished: () => running(platform, instance, configId),
        failed: "offline",
    });
}

/** Another plan: the machine goes off, is moved, and comes back if it was running. */
export function resize(platform: Platform, instance: Instance, apply: () => void): void {
    const before = instance.status;
    job(platform, instance, "linode_resize", durations.resize, "migrating", {
        run: async (machine) => {
            if (before === "running") {
                await platform.driver.shutdown(machine);
            }
        },
        finished: () => {
            apply();
            instance.status = "offline";
            if (before === "running") {
                boot(platform, instance);
            }
        },
        failed: before,
    });
}

/** Deletes, whatever else is under way: the instance is listed as "deleting", and keeps its label, until it is gone. */
export function remove(platform: Platform, instance: Instance, gone: () => void): void {
    const before = instance.status;
    instance.hidden.job = undefined;
    job(platform, instance, "linode_delete", durations.delete, "deleting", {
        run: (machine) => platform.driver.destroy(machine),
        finished: gone,
        failed: before,
    });
}

function running(platform: Platform, instance: Instance, configId?: number): void {
    instance.status = "running";
    const configs = platform.configs.all().filter(({ linodeId }) => linodeId === instance.id);
    const booted = configs.find(({ id }) => id === configId) ?? configs[0];
    instance.hidden.bootedConfig = booted?.id;
    for (const config of configs) {
        for (const one of config.interfaces ?? []) {
            one.active = config === booted;
        }
    }
}

interface Job {
    run?: (machine: Machine) => Promise<void>;
    finished: () => void;
    /** The status after a failure. */
    failed: LinodeStatus;
}

function job(
    platform: Platform,
    instance: Instance,
    action: EventAction,
    seconds: number,
    during: LinodeStatus,
    { run, finished, failed }: Job,
): void {
    requireFree(instance);
    const mine = `${action} ${platform.events.all().length}`;
    instance.hidden.job = mine;
    instance.status = during;
    instance.updated = timestamp();
    /** A deletion takes the instance from whatever is under way. */
    const unlessDeleted = (then: () => void) => () => {
        if (instance.hidden.job === mine) {
            instance.hidden.job = undefined;
            then();
        }
    };
    platform.events.start({
        action,
        entity: linodeEntity(instance),
        seconds,
        run: run && (() => withDriver(platform, instance, run)),
        finished: unlessDeleted(finished),
        failed: unlessDeleted(() => (instance.status = failed)),
    });
}
