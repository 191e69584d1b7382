import type { CreateNodeBalancerConfigNode, NodeBalancer, NodeBalancerConfigNode } from "@linode/api-v4";

import { balancerSource, inRange, privateRange } from "../addresses";
import { invalid } from "../errors";
import { entityOf, type Platform } from "../platform";
import { bodyOf, given, ids, type Routes } from "../routes";
import { between, body, label, oneOf, text, type Schema } from "../schema";
import { balancerOf } from "./balancer-view";

export const nodeSchema: Record<string, Schema> = {
    address: text,
    label: label(3, 32),
    weight: between(1, 255),
    mode: oneOf("accept", "reject", "backup", "drain"),
};

/** The nodes that a port of a NodeBalancer sends to. */
export const balancerNodes: Routes = (app, platform) => {
    const base = "/nodebalancers/:id/configs/:configId/nodes";

    app.get(base, async (request) => {
        const { balancer, portId } = find(request);
        const up = await healthy(platform, balancer);
        return platform.nodes.list(
            request,
            (node) => nodeView(node, up),
            (node) => node.config_id === portId,
        );
    });
    app.get(`${base}/:nodeId`, async (request) => {
        const { balancer, node } = findNode(request);
        return nodeView(node, await healthy(platform, balancer));
    });
    app.post(base, { schema: body(nodeSchema, ["address", "label"]) }, async (request) => {
        const { balancer, portId } = find(request);
        const wanted = bodyOf<CreateNodeBalancerConfigNode>(request);
        const [node] = checkedNodes(
            platform,
            balancer,
            portId,
            [wanted],
            nodesOf(platform, portId),
            () => "",
        );
        platform.nodes.add(node!);
        await changed(balancer, "nodebalancer_node_create");
        return nodeView(node!, await healthy(platform, balancer));
    });
    app.put(`${base}/:nodeId`, { schema: body(nodeSchema) }, async (request) => {
        const { balancer, portId, node } = findNode(request);
        const wanted = bodyOf<Partial<CreateNodeBalancerConfigNode>>(request);
        const next = { ...node, ...given(wanted, "address", "label", "weight", "mode") };
        checkAddress(platform, balancer, next.address, "");
        requireUnique(nodesOf(platform, portId), next, "");
        Object.assign(node, next);
        await changed(balancer, "nodebalancer_node_update");
        return nodeView(node, await healthy(platform, balancer));
    });
    app.delete(`${base}/:nodeId`, async (request) => {
        const { balancer, node } = findNode(request);
        platform.nodes.remove(node.id);
        await changed(balancer, "nodebalancer_node_delete");
        return {};
    });

    function find(request: Parameters<typeof ids>[0]) {
        const { id, configId } = ids(request);
        const balancer = platform.balancers.get(id!);
        const port = platform.ports.get(configId!);
        return {
            balancer,
            portId: (port.nodebalancer_id === balancer.id ? port : platform.ports.get(-1)).id,
        };
    }

    function findNode(request: Parameters<typeof ids>[0]) {
        const { balancer, portId } = find(request);
        const node = platform.nodes.get(ids(request).nodeId!);
        return { balancer, portId, node: node.config_id === portId ? node : platform.nodes.get(-1) };
    }

    async function changed(
        balancer: NodeBalancer,
        action: Parameters<typeof platform.events.notify>[0],
    ): Promise<void> {
        await platform.driver.balance(balancerOf(platform, balancer.id));
        platform.events.notify(action, entityOf("nodebalancer", "/nodebalancers", balancer));
    }
};

/** Nodes of a valid request, not added yet; `siblings` are the ones that stay. */
export function checkedNodes(
    platform: Platform,
    balancer: NodeBalancer,
    portId: number,
    wanted: CreateNodeBalancerConfigNode[],
    siblings: NodeBalancerConfigNode[],
    prefix: (index: number) => string,
): NodeBalancerConfigNode[] {
    const made: NodeBalancerConfigNode[] = [];
    wanted.forEach(({ address, label: name, weight, mode }, index) => {
        checkAddress(platform, balancer, address, prefix(index));
        const node: NodeBalancerConfigNode = {
            id: platform.nodes.newId(),
            config_id: portId,
            nodebalancer_id: balancer.id,
            address,
            label: name,
            weight: weight ?? 50,
            mode: mode ?? "accept",
            status: "unknown",
            vpc_config_id: null,
        };
        requireUnique([...siblings, ...made], node, prefix(index));
        made.push(node);
    });
    return made;
}

function requireUnique(
    others: NodeBalancerConfigNode[],
    { id, address }: NodeBalancerConfigNode,
    prefix: string,
): void {
    if (others.some((other) => other.id !== id && other.address === address)) {
        throw invalid(`${prefix}address`, "address must be unique among the config's nodes");
    }
}

/** `address:port` of a private address that an instance of the same region has. */
function checkAddress(platform: Platform, balancer: NodeBalancer, wanted: string, prefix: string): void {
    const [address = "", port = ""] = wanted.split(":");
    const field = `${prefix}address`;
    if (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65535) {
        throw invalid(field, "Must be an address and a port, such as 192.168.128.17:80");
    }
    if (!address.startsWith("192.168.")) {
        throw invalid(field, "Must begin with 192.168");
    }
    if (!inRange(address, privateRange) || inRange(address, balancerSource)) {
        throw invalid(field, `Must be a private address of ${privateRange}`);
    }
    const owner = ownerOf(platform, address);
    if (!owner || owner.region !== balancer.region) {
        throw invalid(field, `${address} is not the private address of a Linode in ${balancer.region}`);
    }
}

function ownerOf(platform: Platform, address: string) {
    return platform.instances.all().find(({ hidden }) => hidden.privateAddresses.includes(address));
}

export function nodesOf(platform: Platform, portId: number): NodeBalancerConfigNode[] {
    return platform.nodes.all().filter(({ config_id }) => config_id === portId);
}

/** The nodes that take traffic: as the driver sees it, or whose instance is running. */
export async function healthy(platform: Platform, balancer: NodeBalancer): Promise<Set<number>> {
    const view = balancerOf(platform, balancer.id);
    const up = new Set<number>();
    for (const { port, nodes } of view.ports) {
        for (const { id, address } of nodes) {
            const seen = await platform.driver.nodeUp(view, port, id);
            if (seen ?? ownerOf(platform, address.split(":")[0]!)?.status === "running") {
                up.add(id);
            }
        }
    }
    return up;
}

const nodeView = (node: NodeBalancerConfigNode, up: ReadonlySet<number>): NodeBalancerConfigNode => ({
    ...node,
    status: up.has(node.id) ? "UP" : "DOWN",
});
