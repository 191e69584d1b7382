import type {
    CreateFirewallPayload,
    Firewall,
    FirewallDevicePayload,
    UpdateFirewallPayload,
    UpdateFirewallRules,
} from "@linode/api-v4";

import { timestamp } from "../clock";
import { entityOf } from "../platform";
import { bodyOf, given, ids, type Routes } from "../routes";
import { body, integer, label, listOfAll, oneOf, tags } from "../schema";
import { attach, detach, deviceView, enforce } from "./firewall-devices";
import { checkedRules, rulesSchema } from "./firewall-rules";

const kinds = [
    ["linodes", "linode"],
    ["nodebalancers", "nodebalancer"],
] as const;

export const firewalls: Routes = (app, platform) => {
    const all = platform.firewalls;
    const base = "/networking/firewalls";
    const entity = (firewall: { id: number; label: string }) => entityOf("firewall", base, firewall);
    const devicesOf = (id: number) => platform.devices.all().filter(({ firewallId }) => firewallId === id);
    const view = (firewall: Firewall): Firewall => ({
        ...firewall,
        entities: devicesOf(firewall.id).map((device) => device.entity),
    });
    /** After a change of rules or status. */
    const enforceAll = async (id: number) => {
        for (const device of devicesOf(id)) {
            await enforce(platform, device.entity);
        }
    };

    app.get(base, (request) => all.list(request, view));
    app.get(`${base}/:id`, (request) => view(all.get(ids(request).id!)));

    const devicesSchema = {
        type: ["object", "null"],
        properties: { linodes: listOfAll(integer), nodebalancers: listOfAll(integer) },
    };
    const createSchema = body(
        {
            label: label(3, 32),
            rules: {
                type: "object",
                properties: rulesSchema,
                required: ["inbound_policy", "outbound_policy"],
            },
            devices: devicesSchema,
            tags,
        },
        ["label", "rules"],
    );
    app.post(base, { schema: createSchema }, async (request) => {
        const wanted = bodyOf<CreateFirewallPayload>(request);
        all.requireUnique(wanted.label);
        platform.requireRoom("firewalls", all.size);
        const now = timestamp();
        const firewall: Firewall = {
            id: all.newId(),
            label: wanted.label,
            status: "enabled",
            rules: checkedRules(wanted.rules, 1, "rules"),
            tags: wanted.tags ?? [],
            entities: [],
            created: now,
            updated: now,
        };
        all.add(firewall);
        try {
            for (const [key, type] of kinds) {
                for (const id of wanted.devices?.[key] ?? []) {
                    attach(platform, firewall.id, { id, type }, `devices.${key}`);
                }
            }
        } catch (error) {
            // A firewall whose devices are refused is not made at all.
            devicesOf(firewall.id).forEach(({ id }) => platform.devices.remove(id));
            all.remove(firewall.id);
            throw error;
        }
        platform.events.notify("firewall_create", entity(firewall));
        await enforceAll(firewall.id);
        return view(firewall);
    });

    const updateSchema = body({ label: label(3, 32), status: oneOf("enabled", "disabled"), tags });
    app.put(`${base}/:id`, { schema: updateSchema }, async (request) => {
        const firewall = all.get(ids(request).id!);
        const wanted = bodyOf<UpdateFirewallPayload>(request);
        if (wanted.label !== undefined) {
            all.requireUnique(wanted.label, firewall.id);
        }
        const before = firewall.status;
        Object.assign(firewall, given(wanted, "label", "status", "tags"), { updated: timestamp() });
        platform.events.notify("firewall_update", entity(firewall));
        if (firewall.status !== before) {
            platform.events.notify(
                firewall.status === "enabled" ? "firewall_enable" : "firewall_disable",
                entity(firewall),
            );
            await enforceAll(firewall.id);
        }
        return view(firewall);
    });

    app.delete(`${base}/:id`, async (request) => {
        const firewall = all.get(ids(request).id!);
        const devices = devicesOf(firewall.id);
        for (const device of devices) {
            platform.devices.remove(device.id);
        }
        all.remove(firewall.id);
        platform.events.notify("firewall_delete", entity(firewall));
        for (const device of devices) {
            await enforce(platform, device.entity);
        }
        return {};
    });

    app.get(`${base}/:id/rules`, (request) => all.get(ids(request).id!).rules);
    const allRules = body(rulesSchema, ["inbound_policy", "outbound_policy"]);
    app.put(`${base}/:id/rules`, { schema: allRules }, async (request) => {
        const firewall = all.get(ids(request).id!);
        const version = firewall.rules.version + 1;
        firewall.rules = checkedRules(bodyOf<UpdateFirewallRules>(request), version, "rules");
        firewall.updated = timestamp();
        platform.events.notify("firewall_rules_update", entity(firewall));
        await enforceAll(firewall.id);
        return firewall.rules;
    });

    app.get(`${base}/:id/devices`, (request) => {
        const firewall = all.get(ids(request).id!);
        return platform.devices.list(request, deviceView, ({ firewallId }) => firewallId === firewall.id);
    });
    app.get(`${base}/:id/devices/:deviceId`, (request) => deviceView(deviceOf(request)));
    const deviceSchema = body({ id: integer, type: oneOf("linode", "nodebalancer") }, ["id", "type"]);
    app.post(`${base}/:id/devices`, { schema: deviceSchema }, async (request) => {
        const firewall = all.get(ids(request).id!);
        const device = attach(platform, firewall.id, bodyOf<FirewallDevicePayload>(request), "id");
        platform.events.notify("firewall_device_add", entity(firewall));
        await enforce(platform, device.entity);
        return deviceView(device);
    });
    app.delete(`${base}/:id/devices/:deviceId`, async (request) => {
        const device = deviceOf(request);
        detach(platform, device.entity.type, device.entity.id);
        platform.events.notify("firewall_device_remove", entity(all.get(device.firewallId)));
        await enforce(platform, device.entity);
        return {};
    });

    function deviceOf(request: Parameters<typeof ids>[0]) {
        const { id, deviceId } = ids(request);
        const firewall = all.get(id!);
        const device = platform.devices.get(deviceId!);
        return device.firewallId === firewall.id ? device : platform.devices.get(-1);
    }

    // What protects one thing.
    for (const [path, type, things] of [
        ["/linode/instances", "linode", platform.instances],
        ["/nodebalancers", "nodebalancer", platform.balancers],
    ] as const) {
        app.get(`${path}/:id/firewalls`, (request) => {
            const { id } = things.get(ids(request).id!);
            const mine = platform.devices
                .all()
                .filter((device) => device.entity.type === type && device.entity.id === id)
                .map(({ firewallId }) => firewallId);
            return all.list(request, view, (firewall) => mine.includes(firewall.id));
        });
    }
};
