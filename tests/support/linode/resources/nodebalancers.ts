import type { CreateNodeBalancerPayload, NodeBalancer } from "@linode/api-v4";

import { regions } from "../catalogue/regions";
import { timestamp } from "../clock";
import { listOf } from "../collection";
import { invalid } from "../errors";
import { entityOf } from "../platform";
import { bodyOf, given, ids, type Routes } from "../routes";
import { between, body, integer, label, listOfAll, optional, tags, text } from "../schema";
import { addPort, portSchema, removePort } from "./balancer-ports";
import { balancerOf } from "./balancer-view";
import { attach, detach } from "./firewall-devices";

const throttle = between(0, 20);
const balancerLabel = label(3, 32);

export const nodebalancers: Routes = (app, platform) => {
    const all = platform.balancers;
    const entity = (balancer: { id: number; label: string }) =>
        entityOf("nodebalancer", "/nodebalancers", balancer);

    app.get("/nodebalancers", (request) => all.list(request, (balancer) => balancer));
    app.get("/nodebalancers/:id", (request) => all.get(ids(request).id!));
    // Balancers with backends in a VPC are not emulated: the API has them, the provider's version does not.
    app.get("/nodebalancers/:id/vpcs", (request) => {
        all.get(ids(request).id!);
        return listOf([], request, ["subnet_id", "vpc_id"]);
    });

    const createSchema = body(
        {
            region: text,
            label: optional(balancerLabel),
            client_conn_throttle: throttle,
            client_udp_sess_throttle: throttle,
            firewall_id: optional(integer),
            configs: listOfAll({ type: "object", properties: portSchema }),
            tags,
        },
        ["region"],
    );
    app.post("/nodebalancers", { schema: createSchema }, async (request) => {
        const wanted = bodyOf<CreateNodeBalancerPayload & { region: string; vpcs?: unknown[] }>(request);
        const region = regions.find(({ id }) => id === wanted.region);
        if (!region?.capabilities.includes("NodeBalancers")) {
            throw invalid("region", "region is not valid");
        }
        if (wanted.vpcs?.length) {
            throw invalid("vpcs", "NodeBalancers with backends in a VPC are not emulated");
        }
        platform.requireRoom("nodebalancers", all.size);
        if (wanted.label) {
            all.requireUnique(wanted.label);
        }
        if (wanted.firewall_id && !platform.firewalls.find(wanted.firewall_id)) {
            throw invalid("firewall_id", "firewall_id is not valid");
        }
        const id = all.newId();
        const now = timestamp();
        const address = platform.publicAddresses.take();
        const balancer = all.add<NodeBalancer>({
            id,
            label: wanted.label || `balancer${id}`,
            region: wanted.region,
            hostname: `${address.replaceAll(".", "-")}.ip.linodeusercontent.com`,
            ipv4: address,
            ipv6: `2001:db8:ffff::${id.toString(16)}`,
            client_conn_throttle: wanted.client_conn_throttle ?? 0,
            client_udp_sess_throttle: wanted.client_udp_sess_throttle ?? 0,
            transfer: { in: 0, out: 0, total: 0 },
            type: "common",
            tags: wanted.tags ?? [],
            lke_cluster: null,
            frontend_address_type: "public",
            frontend_vpc_subnet_id: null,
            created: now,
            updated: now,
        });
        try {
            (wanted.configs ?? []).forEach((config, index) =>
                addPort(platform, balancer, config, `configs[${index}].`),
            );
        } catch (error) {
            drop(balancer);
            throw error;
        }
        if (wanted.firewall_id) {
            attach(platform, wanted.firewall_id, { id, type: "nodebalancer" }, "firewall_id");
        }
        await platform.driver.balance(balancerOf(platform, id));
        platform.events.notify("nodebalancer_create", entity(balancer));
        return balancer;
    });

    const updateSchema = body({
        label: balancerLabel,
        client_conn_throttle: throttle,
        client_udp_sess_throttle: throttle,
        tags,
    });
    app.put("/nodebalancers/:id", { schema: updateSchema }, (request) => {
        const balancer = all.get(ids(request).id!);
        const wanted = bodyOf<Partial<NodeBalancer>>(request);
        if (wanted.label !== undefined) {
            all.requireUnique(wanted.label, balancer.id);
        }
        Object.assign(
            balancer,
            given(wanted, "label", "client_conn_throttle", "client_udp_sess_throttle", "tags"),
            { updated: timestamp() },
        );
        platform.events.notify("nodebalancer_update", entity(balancer));
        return balancer;
    });

    app.delete("/nodebalancers/:id", async (request) => {
        const balancer = all.get(ids(request).id!);
        const last = balancerOf(platform, balancer.id);
        drop(balancer);
        await platform.driver.removeBalancer(last);
        platform.events.notify("nodebalancer_delete", entity(balancer));
        return {};
    });

    function drop(balancer: NodeBalancer): void {
        platform.ports
            .all()
            .filter((port) => port.nodebalancer_id === balancer.id)
            .forEach((port) => removePort(platform, port.id));
        detach(platform, "nodebalancer", balancer.id);
        platform.publicAddresses.release(balancer.ipv4);
        all.remove(balancer.id);
    }
};
