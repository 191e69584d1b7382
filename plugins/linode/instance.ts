import { randomBytes } from "node:crypto";

import { equal, isObject, pause, PartialFailure, resource, type Context, type Values } from "../lib";
import { numberOf, type LinodeClient } from "./client";
import {
    inputs,
    interfacePayload,
    outputs,
    outputsOf,
    type Inputs,
    type Interface,
    type Linode,
    type Outputs,
} from "./instance-schema";

type In = Context<LinodeClient>;

const path = (id: string | number): string => `/linode/instances/${id}`;
const entity = (id: string | number) => ({ id: Number(id), type: "linode" });

export const instance = resource<LinodeClient, Inputs, Outputs>({
    inputs,
    outputs,
    changesWith: (changed) => [
        ...(changed.has("type") ? ["specs", "alerts"] : []),
        ...(changed.has("privateIp") ? ["ipv4s", "privateIpAddress"] : []),
        ...(changed.has("backupsEnabled") ? ["backups"] : []),
        ...(changed.has("booted") ? ["status"] : []),
    ],

    check: (_context, { image, swapSize, authorizedKeys, authorizedUsers, rootPass, interfaces }) => {
        const onlyWithImage = { swapSize, authorizedKeys, authorizedUsers, rootPass, interfaces };
        return image
            ? []
            : Object.entries(onlyWithImage)
                  .filter(([, value]) => value !== undefined)
                  .map(([property]) => ({ property, reason: `"${property}" needs "image" as well` }));
    },

    create: async (context, wanted) => {
        const { client } = context;
        const made = await client.create<Linode>(
            context,
            "/linode/instances",
            payload(wanted),
            wanted.label ? { label: wanted.label } : undefined,
        );
        const id = String(made.id);
        try {
            if (!wanted.watchdogEnabled || wanted.group) {
                await client.put(context, path(id), { watchdog_enabled: wanted.watchdogEnabled });
            }
            return { id, outputs: outputsOf(await ready(context, id, wanted)) };
        } catch (error) {
            // It exists, so the state has to know it.
            const seen = { ...wanted, ...outputsOf(made) } as unknown as Values;
            throw new PartialFailure(id, seen, [error instanceof Error ? error.message : String(error)]);
        }
    },

    read: async (context, id, state) => {
        numberOf(id, "an instance");
        const linode = await context.client.find<Linode>(context, path(id));
        if (!linode || linode.status === "deleting") {
            return undefined;
        }
        const [config] = await context.client.list<{ interfaces: RawInterface[] | null }>(
            context,
            `${path(id)}/configs`,
        );
        const raw = config?.interfaces ?? [];
        return {
            outputs: outputsOf(linode),
            inputs: {
                region: linode.region,
                type: linode.type,
                label: linode.label,
                image: linode.image ?? undefined,
                tags: linode.tags,
                group: linode.group || undefined,
                privateIp: linode.ipv4.some((address) => address.startsWith("192.168.")) || undefined,
                booted: linode.status === "running" || linode.status === "booting",
                watchdogEnabled: linode.watchdog_enabled,
                backupsEnabled: linode.backups.enabled,
                placementGroup: linode.placement_group ? { id: linode.placement_group.id } : undefined,
                interfaces: raw.length > 0 ? observed(raw, state?.interfaces) : undefined,
                // What the API does not tell.
                ...kept(state),
            },
        };
    },

    update: async (context, id, _state, news, olds) => {
        const { client } = context;
        let linode = await client.get<Linode>(context, path(id));
        const tags = news.tags ?? linode.tags;
        const label = news.label ?? linode.label;
        if (
            label !== linode.label ||
            !equal([...tags].sort(), [...linode.tags].sort()) ||
            news.watchdogEnabled !== linode.watchdog_enabled ||
            (news.group ?? "") !== linode.group
        ) {
            const body = { label, tags, group: news.group ?? "", watchdog_enabled: news.watchdogEnabled };
            linode = await client.put<Linode>(context, path(id), body);
        }
        if (news.backupsEnabled !== undefined && news.backupsEnabled !== linode.backups.enabled) {
            await client.post(context, `${path(id)}/backups/${news.backupsEnabled ? "enable" : "cancel"}`);
        }
        await move(context, id, news, linode);
        let reboot = await privateAddress(context, id, news, linode);
        if (news.type !== linode.type) {
            const body = {
                type: news.type,
                allow_auto_disk_resize: news.resizeDisk,
                migration_type: news.migrationType,
            };
            await client.finished(context, entity(id), "linode_resize", () =>
                client.post(context, `${path(id)}/resize`, body),
            );
            reboot = false;
        }
        if (!equal(news.interfaces ?? [], olds.interfaces ?? [])) {
            const [config] = await client.list<{ id: number }>(context, `${path(id)}/configs`);
            await client.put(context, `${path(id)}/configs/${config!.id}`, {
                interfaces: interfacePayload(news.interfaces),
            });
            reboot = true;
        }
        return outputsOf(await power(context, id, news, reboot));
    },

    delete: async (context, id) => {
        const { client } = context;
        if (!(await client.find<Linode>(context, path(id)))) {
            return;
        }
        if (client.config.skipInstanceDeletePoll) {
            await client.remove(context, path(id));
            return;
        }
        await client.finished(context, entity(id), "linode_delete", () => client.remove(context, path(id)));
    },
});

/** The request that makes an instance. */
function payload(wanted: Inputs): object {
    const { image, metadatas, placementGroup, interfaces } = wanted;
    const userData = metadatas?.[0]?.userData;
    return {
        region: wanted.region,
        type: wanted.type,
        ...(wanted.label ? { label: wanted.label } : {}),
        ...(wanted.tags ? { tags: wanted.tags } : {}),
        ...(wanted.group ? { group: wanted.group } : {}),
        ...(wanted.privateIp ? { private_ip: true } : {}),
        ...(wanted.booted === undefined ? {} : { booted: wanted.booted }),
        ...(wanted.backupsEnabled === undefined ? {} : { backups_enabled: wanted.backupsEnabled }),
        ...(wanted.firewallId === undefined ? {} : { firewall_id: wanted.firewallId }),
        ...(wanted.swapSize === undefined ? {} : { swap_size: wanted.swapSize }),
        ...(wanted.diskEncryption ? { disk_encryption: wanted.diskEncryption } : {}),
        ...(userData ? { metadata: { user_data: userData } } : {}),
        ...(placementGroup
            ? {
                  placement_group: {
                      id: placementGroup.id,
                      compliant_only: placementGroup.compliantOnly ?? false,
                  },
              }
            : {}),
        ...(interfaces?.length ? { interfaces: interfacePayload(interfaces) } : {}),
        ...(image
            ? {
                  image,
                  // Nobody is to know it: log-in is by key. The API wants one all the same.
                  root_pass: wanted.rootPass ?? randomBytes(48).toString("base64url"),
                  authorized_keys: wanted.authorizedKeys ?? [],
                  authorized_users: wanted.authorizedUsers ?? [],
              }
            : {}),
    };
}

/** Waits until an instance is in the state that it is to be in, and says why when it will not be. */
async function ready(context: In, id: string, { booted, image }: Inputs): Promise<Linode> {
    const { client, signal, log } = context;
    const goal = booted === false || !image ? "offline" : "running";
    for (;;) {
        const linode = await client.get<Linode>(context, path(id));
        if (linode.status === goal || client.config.skipInstanceReadyPoll) {
            return linode;
        }
        if (linode.status === "offline" && goal === "running") {
            for (const action of ["linode_create", "linode_boot"]) {
                const [latest] = await client.events(context, entity(id), action);
                if (latest?.status === "failed") {
                    throw new Error(
                        `Linode's job ${action} has failed${latest.message ? `: ${latest.message}` : ""}; the instance is off`,
                    );
                }
            }
        }
        log.status(linode.status);
        await pause(client.pollMs, signal);
    }
}

/** Makes an instance run or not, as it should; one that runs is rebooted when its network has changed. */
async function power(context: In, id: string, { booted, image }: Inputs, reboot: boolean): Promise<Linode> {
    const { client } = context;
    const now = await client.get<Linode>(context, path(id));
    const act = (action: string) => () => client.post(context, `${path(id)}/${action}`);
    if (booted === false && now.status === "running") {
        await client.finished(context, entity(id), "linode_shutdown", act("shutdown"));
    } else if (booted !== false && now.status === "offline" && image) {
        await client.finished(context, entity(id), "linode_boot", act("boot"));
    } else if (reboot && now.status === "running" && !client.config.skipImplicitReboots) {
        await client.finished(context, entity(id), "linode_reboot", act("reboot"));
    }
    return ready(context, id, { booted, image } as Inputs);
}

/** Gives an instance its private address, or takes it away; says whether that takes a reboot. */
async function privateAddress(context: In, id: string, news: Inputs, { ipv4 }: Linode): Promise<boolean> {
    const { client } = context;
    const address = ipv4.find((one) => one.startsWith("192.168."));
    if (news.privateIp && !address) {
        await client.post(context, `${path(id)}/ips`, { type: "ipv4", public: false });
        return true;
    }
    if (news.privateIp === false && address) {
        await client.remove(context, `${path(id)}/ips/${address}`);
        return true;
    }
    return false;
}

/** From one placement group to another. */
async function move(context: In, id: string, { placementGroup }: Inputs, linode: Linode): Promise<void> {
    const { client } = context;
    const from = linode.placement_group?.id;
    const to = placementGroup?.id;
    const linodes = [Number(id)];
    if (from !== undefined && from !== to) {
        await client.post(context, `/placement/groups/${from}/unassign`, { linodes });
    }
    if (to !== undefined && from !== to) {
        await client.post(context, `/placement/groups/${to}/assign`, {
            linodes,
            compliant_only: placementGroup!.compliantOnly ?? false,
        });
    }
}

interface RawInterface {
    purpose: string;
    label: string | null;
    ipam_address: string | null;
    subnet_id: number | null;
    primary?: boolean;
    ip_ranges?: string[] | null;
    ipv4?: { vpc?: string | null; nat_1_1?: string | null } | null;
}

/** The interfaces as they are, without what the program left to the API. */
function observed(raw: RawInterface[], before: Interface[] | undefined): Interface[] {
    return raw.map((one, index) => {
        const known = before?.[index]?.ipv4;
        const vpc = known && !known.vpc ? undefined : (one.ipv4?.vpc ?? undefined);
        const nat = known?.nat11 === "any" && one.ipv4?.nat_1_1 ? "any" : (one.ipv4?.nat_1_1 ?? undefined);
        const ipv4 =
            before?.[index] && !known
                ? undefined
                : { ...(vpc ? { vpc } : {}), ...(nat ? { nat11: nat } : {}) };
        return {
            purpose: one.purpose,
            primary: one.primary ?? false,
            ...(one.label ? { label: one.label } : {}),
            ...(one.ipam_address ? { ipamAddress: one.ipam_address } : {}),
            ...(one.subnet_id ? { subnetId: one.subnet_id } : {}),
            ...(one.ip_ranges?.length ? { ipRanges: one.ip_ranges } : {}),
            ...(one.purpose === "vpc" && isObject(ipv4) && Object.keys(ipv4).length > 0 ? { ipv4 } : {}),
        };
    });
}

function kept(state: Outputs | undefined): Values {
    const names = [
        "rootPass",
        "authorizedKeys",
        "authorizedUsers",
        "swapSize",
        "firewallId",
        "metadatas",
        "diskEncryption",
        "migrationType",
        "resizeDisk",
    ] as const;
    return Object.fromEntries(
        names.filter((name) => state?.[name] !== undefined).map((name) => [name, state![name]]),
    );
}
