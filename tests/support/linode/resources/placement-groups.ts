import type { CreatePlacementGroupPayload, PlacementGroup } from "@linode/api-v4";

import { regions } from "../catalogue/regions";
import { ApiError, invalid } from "../errors";
import { entityOf, type Instance, type Platform } from "../platform";
import { bodyOf, ids, type Routes } from "../routes";
import { body, integer, label, oneOf, text } from "../schema";

const mostMembers = 5;

export const placementGroups: Routes = (app, platform) => {
    const groups = platform.placementGroups;
    const entity = (group: { id: number; label: string }) =>
        entityOf("placement_group", "/placement/groups", group);
    const view = (group: Omit<PlacementGroup, "members">): PlacementGroup => ({
        ...group,
        members: membersOf(platform, group.id).map((linodeId) => ({
            linode_id: linodeId,
            is_compliant: true,
        })),
    });

    app.get("/placement/groups", (request) => groups.list(request, view));
    app.get("/placement/groups/:id", (request) => view(groups.get(ids(request).id!)));

    const createSchema = body(
        {
            label: label(1, 64),
            region: text,
            placement_group_type: oneOf("anti_affinity:local"),
            placement_group_policy: oneOf("strict", "flexible"),
        },
        ["label", "region", "placement_group_type"],
    );
    app.post("/placement/groups", { schema: createSchema }, (request) => {
        const wanted = bodyOf<CreatePlacementGroupPayload>(request);
        const region = regions.find(({ id }) => id === wanted.region);
        if (!region?.capabilities.includes("Placement Group")) {
            throw invalid("region", "region is not valid");
        }
        groups.requireUnique(wanted.label);
        platform.requireRoom("placementGroups", groups.size);
        const group = groups.add({
            id: groups.newId(),
            label: wanted.label,
            region: wanted.region,
            placement_group_type: wanted.placement_group_type,
            placement_group_policy: wanted.placement_group_policy ?? "strict",
            is_compliant: true,
            migrations: null,
        });
        platform.events.notify("placement_group_create", entity(group));
        return view(group);
    });

    app.put("/placement/groups/:id", { schema: body({ label: label(1, 64) }) }, (request) => {
        const group = groups.get(ids(request).id!);
        const { label: wanted = group.label } = bodyOf<{ label?: string }>(request);
        groups.requireUnique(wanted, group.id);
        group.label = wanted;
        platform.events.notify("placement_group_update", entity(group));
        return view(group);
    });

    app.delete("/placement/groups/:id", (request) => {
        const group = groups.get(ids(request).id!);
        if (membersOf(platform, group.id).length > 0) {
            throw new ApiError(400, {
                reason: "The placement group has Linodes assigned to it. Unassign them first.",
            });
        }
        groups.remove(group.id);
        platform.events.notify("placement_group_delete", entity(group));
        return {};
    });

    const membersSchema = body({ linodes: { type: "array", items: integer } }, ["linodes"]);
    app.post("/placement/groups/:id/assign", { schema: membersSchema }, (request) => {
        const group = groups.get(ids(request).id!);
        for (const linodeId of bodyOf<{ linodes: number[] }>(request).linodes) {
            const instance = platform.instances.find(linodeId);
            if (!instance) {
                throw invalid("linodes", `${linodeId} is not a valid linode`);
            }
            place(platform, instance, group.id, "linodes");
        }
        return view(group);
    });
    app.post("/placement/groups/:id/unassign", { schema: membersSchema }, (request) => {
        const group = groups.get(ids(request).id!);
        for (const linodeId of bodyOf<{ linodes: number[] }>(request).linodes) {
            if (platform.placements.get(linodeId) !== group.id) {
                throw invalid("linodes", `${linodeId} is not a member of the placement group`);
            }
            platform.placements.delete(linodeId);
            platform.events.notify("placement_group_unassign", entity(group));
        }
        return view(group);
    });
};

/** Refuses what {@link place} would refuse, before anything is made. */
export function checkPlacement(platform: Platform, groupId: number, region: string, field: string): void {
    const group = platform.placementGroups.find(groupId);
    if (!group) {
        throw invalid(field, "placement_group.id is not valid");
    }
    if (group.region !== region) {
        throw invalid(field, "The placement group must be in the same region as the Linode");
    }
    if (membersOf(platform, groupId).length >= mostMembers) {
        throw invalid(field, `The placement group has ${mostMembers} Linodes, as many as it can`);
    }
}

/** Puts an instance into a group. */
export function place(platform: Platform, instance: Instance, groupId: number, field: string): void {
    if (platform.placements.has(instance.id)) {
        throw invalid(field, `${instance.label} is already in a placement group`);
    }
    checkPlacement(platform, groupId, instance.region, field);
    platform.placements.set(instance.id, groupId);
    const group = platform.placementGroups.get(groupId);
    platform.events.notify("placement_group_assign", entityOf("placement_group", "/placement/groups", group));
}

function membersOf(platform: Platform, groupId: number): number[] {
    return [...platform.placements].filter(([, group]) => group === groupId).map(([linodeId]) => linodeId);
}
