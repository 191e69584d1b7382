import type { CreateSubnetPayload, CreateVPCPayload, Subnet, UpdateVPCPayload, VPC } from "@linode/api-v4";

import { allowedInVpc, overlap, parseRange } from "../addresses";
import { timestamp } from "../clock";
import { regions } from "../catalogue/regions";
import { listOf } from "../collection";
import { ApiError, invalid } from "../errors";
import { entityOf } from "../platform";
import { bodyOf, given, ids, without, type Routes } from "../routes";
import { body, label, listOfAll, optional, text } from "../schema";
import { vpcIps } from "./interfaces";

/** Documented limits: VPCs in a region, subnets in a VPC. */
const vpcsPerRegion = 10;
const subnetsPerVpc = 10;

const subnetSchema = { label: label(1, 64), ipv4: text };
const vpcSchema = { label: label(1, 64), description: optional(text) };

export const vpcs: Routes = (app, platform) => {
    const entity = (vpc: { id: number; label: string }) => entityOf("vpc", "/vpcs", vpc);

    const subnetsOf = (vpcId: number) => platform.subnets.all().filter((subnet) => subnet.vpcId === vpcId);

    const subnetView = (subnet: ReturnType<typeof subnetsOf>[number]): Subnet => ({
        ...without(subnet, "vpcId"),
        linodes: linodesIn(subnet.id),
    });

    const view = (vpc: Omit<VPC, "subnets">): VPC => ({ ...vpc, subnets: subnetsOf(vpc.id).map(subnetView) });

    app.get("/vpcs", (request) => platform.vpcs.list(request, view));
    app.get("/vpcs/ips", (request) => listOf(vpcIps(platform, {}), request, ipFilters));
    app.get("/vpcs/:id", (request) => view(platform.vpcs.get(ids(request).id!)));
    app.get("/vpcs/:id/ips", (request) => {
        const vpc = platform.vpcs.get(ids(request).id!);
        return listOf(vpcIps(platform, { vpcId: vpc.id }), request, ipFilters);
    });

    const createSchema = body(
        {
            ...vpcSchema,
            region: text,
            subnets: listOfAll({ type: "object", properties: subnetSchema, required: ["label", "ipv4"] }),
        },
        ["label", "region"],
    );
    app.post("/vpcs", { schema: createSchema }, async (request) => {
        const wanted = bodyOf<CreateVPCPayload>(request);
        const region = regions.find(({ id }) => id === wanted.region);
        if (!region) {
            throw invalid("region", "region is not valid");
        }
        if (!region.capabilities.includes("VPCs")) {
            throw invalid("region", "VPCs are not available in this region");
        }
        platform.vpcs.requireUnique(wanted.label);
        platform.requireRoom("vpcs", platform.vpcs.size);
        if (platform.vpcs.all().filter((vpc) => vpc.region === wanted.region).length >= vpcsPerRegion) {
            throw invalid("region", `There are ${vpcsPerRegion} VPCs in this region already`);
        }
        const now = timestamp();
        const ranges: string[] = [];
        (wanted.subnets ?? []).forEach((subnet, index) => {
            checkRange(subnet.ipv4!, ranges, `subnets[${index}].ipv4`);
            ranges.push(subnet.ipv4!);
        });
        const vpc = platform.vpcs.add({
            id: platform.vpcs.newId(),
            label: wanted.label,
            region: wanted.region,
            description: wanted.description ?? "",
            ipv6: [],
            created: now,
            updated: now,
        });
        for (const subnet of wanted.subnets ?? []) {
            await addSubnet(vpc.id, subnet);
        }
        platform.events.notify("vpc_create", entity(vpc));
        return view(vpc);
    });

    app.put("/vpcs/:id", { schema: body(vpcSchema) }, (request) => {
        const vpc = platform.vpcs.get(ids(request).id!);
        const wanted = bodyOf<UpdateVPCPayload>(request);
        if (wanted.label !== undefined) {
            platform.vpcs.requireUnique(wanted.label, vpc.id);
        }
        Object.assign(vpc, given(wanted, "label", "description"), { updated: timestamp() });
        platform.events.notify("vpc_update", entity(vpc));
        return view(vpc);
    });

    app.delete("/vpcs/:id", async (request) => {
        const vpc = platform.vpcs.get(ids(request).id!);
        const subnets = subnetsOf(vpc.id);
        if (subnets.some(({ id }) => linodesIn(id).length > 0)) {
            throw new ApiError(400, {
                reason: "This VPC has Linodes assigned to it. Remove them from its subnets first.",
            });
        }
        for (const subnet of subnets) {
            await removeSubnet(subnet);
        }
        platform.vpcs.remove(vpc.id);
        platform.events.notify("vpc_delete", entity(vpc));
        return {};
    });

    app.get("/vpcs/:id/subnets", (request) => {
        const vpc = platform.vpcs.get(ids(request).id!);
        return platform.subnets.list(request, subnetView, ({ vpcId }) => vpcId === vpc.id);
    });
    app.get("/vpcs/:id/subnets/:subnetId", (request) => subnetView(subnetOf(request)));

    app.post("/vpcs/:id/subnets", { schema: body(subnetSchema, ["label", "ipv4"]) }, async (request) => {
        const vpc = platform.vpcs.get(ids(request).id!);
        const wanted = bodyOf<CreateSubnetPayload>(request);
        const existing = subnetsOf(vpc.id);
        if (existing.length >= subnetsPerVpc) {
            throw new ApiError(400, { reason: `There are ${subnetsPerVpc} subnets in this VPC already` });
        }
        if (existing.some((subnet) => subnet.label === wanted.label)) {
            throw invalid("label", "Label must be unique among the VPC's subnets");
        }
        checkRange(
            wanted.ipv4!,
            existing.map(({ ipv4 }) => ipv4),
            "ipv4",
        );
        return subnetView(await addSubnet(vpc.id, wanted));
    });

    app.put("/vpcs/:id/subnets/:subnetId", { schema: body({ label: subnetSchema.label }) }, (request) => {
        const subnet = subnetOf(request);
        const { label: wanted = subnet.label } = bodyOf<{ label?: string }>(request);
        if (subnetsOf(subnet.vpcId).some((other) => other.label === wanted && other !== subnet)) {
            throw invalid("label", "Label must be unique among the VPC's subnets");
        }
        Object.assign(subnet, { label: wanted, updated: timestamp() });
        platform.events.notify("subnet_update", entityOf("subnet", `/vpcs/${subnet.vpcId}/subnets`, subnet));
        return subnetView(subnet);
    });

    app.delete("/vpcs/:id/subnets/:subnetId", async (request) => {
        const subnet = subnetOf(request);
        if (linodesIn(subnet.id).length > 0) {
            throw new ApiError(400, {
                reason: "This subnet has Linodes assigned to it. Remove them from it first.",
            });
        }
        await removeSubnet(subnet);
        return {};
    });

    function subnetOf(request: Parameters<typeof ids>[0]) {
        const { id, subnetId } = ids(request);
        const vpc = platform.vpcs.get(id!);
        const subnet = platform.subnets.get(subnetId!);
        return subnet.vpcId === vpc.id ? subnet : platform.subnets.get(-1);
    }

    async function addSubnet(vpcId: number, { label: name, ipv4 = "" }: CreateSubnetPayload) {
        const now = timestamp();
        const subnet = platform.subnets.add({
            id: platform.subnets.newId(),
            vpcId,
            label: name,
            ipv4,
            nodebalancers: [],
            created: now,
            updated: now,
        });
        await platform.driver.createSubnet({ id: subnet.id, vpcId, range: ipv4 });
        platform.events.notify("subnet_create", entityOf("subnet", `/vpcs/${vpcId}/subnets`, subnet));
        return subnet;
    }

    async function removeSubnet(subnet: ReturnType<typeof subnetsOf>[number]): Promise<void> {
        platform.subnets.remove(subnet.id);
        await platform.driver.removeSubnet({ id: subnet.id, vpcId: subnet.vpcId, range: subnet.ipv4 });
        platform.events.notify("subnet_delete", entityOf("subnet", `/vpcs/${subnet.vpcId}/subnets`, subnet));
    }

    /** An instance that is being deleted has left its subnets. */
    function linodesIn(subnetId: number): Subnet["linodes"] {
        const interfaces = platform.configs.all().flatMap((config) =>
            (config.interfaces ?? [])
                .filter(({ subnet_id }) => subnet_id === subnetId)
                .map(({ id, active }) => ({
                    linodeId: config.linodeId,
                    data: { id, active, config_id: config.id },
                })),
        );
        const linodes = new Set(interfaces.map(({ linodeId }) => linodeId));
        return [...linodes].map((id) => ({
            id,
            interfaces: interfaces.filter(({ linodeId }) => linodeId === id).map(({ data }) => data),
        }));
    }
};

const ipFilters = [
    "active",
    "address",
    "config_id",
    "interface_id",
    "linode_id",
    "region",
    "subnet_id",
    "vpc_id",
];

function checkRange(text: string, others: string[], field: string): void {
    const range = parseRange(text);
    if (!range) {
        throw invalid(field, "Must be an IPv4 range in CIDR form without host bits, such as 10.0.1.0/24");
    }
    if (!allowedInVpc(range)) {
        throw invalid(field, "Must be an RFC 1918 range of at most /29 that is not part of 192.168.128.0/17");
    }
    if (others.some((other) => overlap(parseRange(other)!, range))) {
        throw invalid(field, "Overlaps with another subnet of the VPC");
    }
}
