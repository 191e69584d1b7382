import type { CreateLinodeRequest, Linode } from "@linode/api-v4";

import { linodeTypes } from "../catalogue/types";
import { timestamp } from "../clock";
import { listOf } from "../collection";
import { ApiError, invalid } from "../errors";
import { boot, reboot, remove, requireFree, resize, shutdown } from "../lifecycle";
import { linodeEntity, type Instance, type Platform } from "../platform";
import { bodyOf, given, ids, without, type Routes } from "../routes";
import { body, boolean, integer, optional, tags, text } from "../schema";
import { detach } from "./firewall-devices";
import { backupsOf, createInstance, createSchema, instanceLabel, release } from "./instance-create";

const window = 15;

export const instances: Routes = (app, platform) => {
    const all = platform.instances;
    const base = "/linode/instances";
    const creations: number[] = [];

    app.get(base, (request) => all.list(request, (instance) => instanceView(platform, instance)));
    app.get(`${base}/:id`, (request) => instanceView(platform, all.get(ids(request).id!)));

    app.post(base, { schema: body(createSchema, ["region", "type"]) }, (request) => {
        limitRate();
        return instanceView(platform, createInstance(platform, bodyOf<CreateLinodeRequest>(request)));
    });

    const updateSchema = body({
        label: instanceLabel,
        tags,
        group: optional(text),
        watchdog_enabled: boolean,
        alerts: { type: "object" },
        backups: { type: ["object", "null"] },
        maintenance_policy: text,
    });
    app.put(`${base}/:id`, { schema: updateSchema }, (request) => {
        const instance = all.get(ids(request).id!);
        const wanted = bodyOf<Partial<Linode> & { firewall_id?: number }>(request);
        if (wanted.firewall_id !== undefined) {
            throw invalid("firewall_id", "firewall_id is only accepted when the Linode is created");
        }
        if (wanted.label !== undefined) {
            all.requireUnique(wanted.label, instance.id);
        }
        Object.assign(
            instance,
            given(wanted, "label", "tags", "group", "watchdog_enabled", "maintenance_policy"),
            { alerts: { ...instance.alerts, ...wanted.alerts }, updated: timestamp() },
        );
        if (wanted.backups?.schedule) {
            instance.backups.schedule = wanted.backups.schedule;
        }
        platform.events.notify("linode_update", linodeEntity(instance));
        return instanceView(platform, instance);
    });

    app.delete(`${base}/:id`, (request) => {
        const instance = all.get(ids(request).id!);
        if (instance.status === "deleting") {
            return {};
        }
        // At once it is out of its networks and firewalls, so that those can be deleted without waiting.
        platform.configs
            .all()
            .filter(({ linodeId }) => linodeId === instance.id)
            .forEach((config) => (config.interfaces = []));
        detach(platform, "linode", instance.id);
        platform.placements.delete(instance.id);
        remove(platform, instance, () => {
            platform.disks
                .all()
                .forEach((disk) => disk.linodeId === instance.id && platform.disks.remove(disk.id));
            platform.configs
                .all()
                .forEach((config) => config.linodeId === instance.id && platform.configs.remove(config.id));
            release(platform, instance);
            all.remove(instance.id);
        });
        return {};
    });

    const configSchema = { schema: body({ config_id: optional(integer) }) };
    app.post(`${base}/:id/boot`, configSchema, (request) => {
        boot(platform, free(request), configOf(request));
        return {};
    });
    app.post(`${base}/:id/reboot`, configSchema, (request) => {
        const instance = free(request);
        if (instance.status !== "running") {
            throw new ApiError(400, { reason: "Linode must be running to be rebooted" });
        }
        reboot(platform, instance, configOf(request));
        return {};
    });
    app.post(`${base}/:id/shutdown`, (request) => {
        shutdown(platform, free(request));
        return {};
    });

    app.post(`${base}/:id/resize`, { schema: body({ type: text }, ["type"]) }, (request) => {
        const instance = free(request);
        const type = linodeTypes.find(({ id }) => id === bodyOf<{ type: string }>(request).type);
        if (!type) {
            throw invalid("type", "A valid plan type by that ID was not found");
        }
        if (type.id === instance.type) {
            throw invalid("type", "Linode is already running this service plan.");
        }
        const used = platform.disks
            .all()
            .filter(({ linodeId }) => linodeId === instance.id)
            .reduce((sum, { size }) => sum + size, 0);
        if (used > type.disk) {
            throw invalid("type", "The current disks of your Linode are too large for the requested plan");
        }
        resize(platform, instance, () => {
            const { disk, memory, vcpus, gpus, transfer, accelerated_devices } = type;
            instance.type = type.id;
            instance.specs = { disk, memory, vcpus, gpus, transfer, accelerated_devices };
        });
        return {};
    });

    for (const [action, enabled] of [
        ["enable", true],
        ["cancel", false],
    ] as const) {
        app.post(`${base}/:id/backups/${action}`, (request) => {
            const instance = all.get(ids(request).id!);
            instance.backups = backupsOf(enabled);
            platform.events.notify(enabled ? "backups_enable" : "backups_cancel", linodeEntity(instance));
            return {};
        });
    }

    app.get(`${base}/:id/volumes`, (request) => {
        all.get(ids(request).id!);
        return listOf([], request, ["label"]);
    });
    app.get(`${base}/:id/transfer`, (request) => {
        const { specs } = all.get(ids(request).id!);
        return { billable: 0, quota: specs.transfer, used: 0, region_transfers: [] };
    });

    function free(request: Parameters<typeof ids>[0]): Instance {
        const instance = all.get(ids(request).id!);
        requireFree(instance);
        return instance;
    }

    function configOf(request: Parameters<typeof ids>[0]): number | undefined {
        const { config_id: wanted } = bodyOf<{ config_id?: number | null }>(request);
        const mine = platform.configs.all().filter(({ linodeId }) => linodeId === Number(ids(request).id));
        if (mine.length === 0) {
            throw new ApiError(400, { reason: "Linode has no configuration to boot with" });
        }
        if (wanted && !mine.some(({ id }) => id === wanted)) {
            throw invalid("config_id", "config_id is not valid");
        }
        return wanted ?? undefined;
    }

    /** Creations are limited apart from everything else. */
    function limitRate(): void {
        const most = platform.limits.createsPerWindow;
        const length = platform.clock.scaled(window) * 1000;
        const now = performance.now();
        while (creations.length > 0 && creations[0]! <= now - length) {
            creations.shift();
        }
        if (most !== undefined && creations.length >= most) {
            const seconds = Math.ceil((creations[0]! + length - now) / 1000);
            throw new ApiError(
                429,
                { reason: "Too many requests" },
                { "retry-after": String(Math.max(1, seconds)) },
            );
        }
        creations.push(now);
    }
};

/** An instance as the API shows it. */
export function instanceView(platform: Platform, instance: Instance): Linode {
    const groupId = platform.placements.get(instance.id);
    const group = groupId === undefined ? undefined : platform.placementGroups.find(groupId);
    return {
        ...without(instance, "hidden"),
        placement_group: group
            ? {
                  id: group.id,
                  label: group.label,
                  placement_group_type: group.placement_group_type,
                  placement_group_policy: group.placement_group_policy,
                  migrating_to: null,
              }
            : null,
    };
}
