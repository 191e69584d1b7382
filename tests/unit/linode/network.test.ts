import * as linode from "@linode/api-v4";
import * as assert from "node:assert/strict";

import { refusal, useEmulator } from "../../support/linode/client";
import { LinodeEmulator } from "../../support/linode/emulator";
import { region, runningInstance as instance } from "./instance";

describe("linode emulator: networks, firewalls, balancers and groups", () => {
    const emulator = new LinodeEmulator({ speed: 0.001 });

    before(async () => {
        await emulator.start();
        useEmulator(emulator);
    });
    after(() => emulator.stop());

    it("VPCs and subnets, with addresses that are known beforehand", async () => {
        const vpc = await linode.createVPC({
            label: "lab",
            region,
            subnets: [{ label: "nodes", ipv4: "10.0.1.0/24" }],
        });
        const [subnet] = vpc.subnets;
        const other = await linode.createSubnet(vpc.id, { label: "more", ipv4: "10.0.2.0/28" });
        assert.deepEqual(
            (await linode.getSubnets(vpc.id)).data.map(({ id }) => id),
            [subnet!.id, other.id],
        );
        assert.equal((await linode.modifySubnet(vpc.id, other.id, { label: "spare" })).label, "spare");
        assert.equal((await linode.updateVPC(vpc.id, { description: "of a lab" })).description, "of a lab");
        assert.equal((await linode.getVPCs({}, { region })).results, 1);

        const member = await instance("in-vpc", {
            interfaces: [
                { purpose: "public" },
                {
                    purpose: "vpc",
                    vpc_id: vpc.id,
                    subnet_id: subnet!.id,
                    ipv4: { vpc: "10.0.1.11", nat_1_1: "any" },
                    primary: true,
                },
            ],
        });
        const free = await instance("anywhere-in-vpc", {
            interfaces: [{ purpose: "vpc", vpc_id: vpc.id, subnet_id: subnet!.id }],
        });
        const addresses = (await linode.getVPCIPs(vpc.id)).data.map(({ linode_id, address }) => [
            linode_id,
            address,
        ]);
        assert.deepEqual(addresses, [
            [member.id, "10.0.1.11"],
            [free.id, "10.0.1.2"],
        ]);
        assert.equal((await linode.getVPCsIPs()).results, 2);
        const { ipv4 } = await linode.getLinodeIPs(member.id);
        assert.deepEqual(
            [ipv4.public[0]!.vpc_nat_1_1, ipv4.vpc[0].nat_1_1],
            [{ address: "10.0.1.11", subnet_id: subnet!.id, vpc_id: vpc.id }, member.ipv4[0]],
        );
        const config = (await linode.getLinodeConfigs(member.id)).data[0]!;
        assert.deepEqual(
            config.interfaces!.map(({ purpose, active }) => [purpose, active]),
            [
                ["public", true],
                ["vpc", true],
            ],
        );
        assert.deepEqual((await linode.getSubnet(vpc.id, subnet!.id)).linodes, [
            {
                id: member.id,
                interfaces: [{ id: config.interfaces![1]!.id, active: true, config_id: config.id }],
            },
            {
                id: free.id,
                interfaces: (await linode.getSubnet(vpc.id, subnet!.id)).linodes[1]!.interfaces,
            },
        ]);

        for (const refused of [linode.deleteVPC(vpc.id), linode.deleteSubnet(vpc.id, subnet!.id)]) {
            assert.equal((await refusal(refused)).status, 400, "while it has members");
        }
        await linode.deleteLinode(member.id);
        await linode.deleteLinode(free.id);
        assert.deepEqual(await linode.deleteSubnet(vpc.id, other.id), {});
        assert.deepEqual(await linode.deleteVPC(vpc.id), {});
        assert.equal((await refusal(linode.getVPC(vpc.id))).status, 404);
    });

    it("firewalls: rules, devices and what they protect", async () => {
        const server = await instance("behind-a-wall");
        const firewall = await linode.createFirewall({
            label: "wall",
            tags: ["lab-w"],
            rules: {
                inbound: [
                    {
                        action: "ACCEPT",
                        label: "ssh",
                        ports: "22, 8000-8100",
                        protocol: "TCP",
                        addresses: { ipv4: ["203.0.113.7/32"], ipv6: ["2001:db8::/32"] },
                    },
                ],
                inbound_policy: "DROP",
                outbound: [],
                outbound_policy: "ACCEPT",
            },
            devices: { linodes: [server.id] },
        });
        assert.deepEqual(
            firewall.entities.map(({ id, label, type }) => [id, label, type]),
            [[server.id, "behind-a-wall", "linode"]],
        );
        const { data: devices } = await linode.getFirewallDevices(firewall.id);
        assert.equal(devices[0]!.entity.url, `/v4/linode/instances/${server.id}`);
        assert.deepEqual(await linode.getFirewallDevice(firewall.id, devices[0]!.id), devices[0]);
        assert.equal((await linode.getLinodeFirewalls(server.id)).data[0]!.id, firewall.id);

        const { rules } = firewall;
        const changed = await linode.updateFirewallRules(firewall.id, { ...rules, inbound: [] });
        assert.deepEqual([changed.inbound, changed.version], [[], rules.version + 1]);
        assert.notEqual(changed.fingerprint, rules.fingerprint);
        assert.deepEqual(await linode.getFirewallRules(firewall.id), changed);
        assert.equal((await linode.disableFirewall(firewall.id)).status, "disabled");
        assert.equal((await linode.updateFirewall(firewall.id, { label: "gate", tags: [] })).label, "gate");

        await linode.deleteFirewallDevice(firewall.id, devices[0]!.id);
        const device = await linode.addFirewallDevice(firewall.id, { id: server.id, type: "linode" });
        const twice = await refusal(linode.addFirewallDevice(firewall.id, { id: server.id, type: "linode" }));
        assert.equal(twice.errors[0]!.reason, "behind-a-wall is already assigned to a Cloud Firewall");
        assert.equal(device.entity.id, server.id);

        const born = await instance("born-behind-it", { firewall_id: firewall.id });
        assert.equal((await linode.getLinodeFirewalls(born.id)).results, 1);
        await linode.deleteLinode(born.id);
        assert.equal(
            (await linode.getFirewallDevices(firewall.id)).results,
            1,
            "who goes takes its device along",
        );
        assert.deepEqual(await linode.deleteFirewall(firewall.id), {});
        assert.equal((await linode.getFirewalls()).results, 0);
        assert.equal((await linode.getLinodeFirewalls(server.id)).results, 0);
    });

    it("NodeBalancers: ports, nodes and who is up", async () => {
        const web = await instance("web-1");
        const balancer = await linode.createNodeBalancer({
            region,
            label: "front",
            client_conn_throttle: 10,
            tags: ["lab-n"],
            configs: [],
        });
        assert.equal(balancer.hostname, `${balancer.ipv4.replaceAll(".", "-")}.ip.linodeusercontent.com`);
        assert.deepEqual(await linode.getNodeBalancer(balancer.id), balancer);
        assert.equal((await linode.updateNodeBalancer(balancer.id, { label: "face" })).label, "face");
        assert.equal((await linode.getNodeBalancers({}, { tags: "lab-n" })).results, 1);

        // The library joins the two.
        const withPort = (port: number, label: string) =>
            ({ address: web.ipv4[1]!, port, label }) as linode.CreateNodeBalancerConfigNode;
        const port = await linode.createNodeBalancerConfig(balancer.id, {
            port: 80,
            protocol: "tcp",
            proxy_protocol: "v2",
            check: "connection",
            nodes: [withPort(8081, "spare")],
        });
        assert.deepEqual(
            [port.algorithm, port.stickiness, port.nodes_status],
            ["roundrobin", "none", { up: 1, down: 0 }],
        );
        const node = await linode.createNodeBalancerConfigNode(balancer.id, port.id, withPort(8080, "web-1"));
        assert.equal(node.address, `${web.ipv4[1]}:8080`);
        assert.deepEqual([node.status, node.weight, node.mode], ["UP", 50, "accept"]);
        const status = async () =>
            ((await linode.getNodeBalancerConfigs(balancer.id)).data[0] as linode.NodeBalancerConfig)
                .nodes_status;
        assert.deepEqual(await status(), { up: 2, down: 0 });
        await linode.linodeShutdown(web.id);
        assert.deepEqual(await status(), { up: 0, down: 2 });
        const drained = await linode.updateNodeBalancerConfigNode(balancer.id, port.id, node.id, {
            ...withPort(8080, "web-1"),
            mode: "drain",
        });
        assert.equal(drained.mode, "drain");
        assert.equal((await linode.getNodeBalancerConfigNodes(balancer.id, port.id)).results, 2);
        assert.ok(await linode.getNodeBalancerConfigNode(balancer.id, port.id, node.id));

        const faster = await linode.updateNodeBalancerConfig(balancer.id, port.id, {
            check_interval: 2,
            port: 8080,
        });
        assert.deepEqual([faster.check_interval, faster.port, faster.proxy_protocol], [2, 8080, "v2"]);
        const second = await linode.createNodeBalancerConfig(balancer.id, {
            port: 443,
            protocol: "tcp",
            nodes: [withPort(8080, "web-1")],
        });
        const { errors } = await refusal(
            linode.createNodeBalancerConfig(balancer.id, {
                port: 443,
                protocol: "tcp",
                nodes: [withPort(8080, "web-1")],
            }),
        );
        assert.equal(errors[0]!.field, "port");
        await linode.rebuildNodeBalancerConfig(balancer.id, second.id, {
            port: 444,
            protocol: "tcp",
            nodes: [withPort(8080, "again")],
        });
        assert.equal(
            (await linode.getNodeBalancerConfigNodes(balancer.id, second.id)).data[0]!.label,
            "again",
        );

        assert.deepEqual(await linode.deleteNodeBalancerConfigNode(balancer.id, port.id, node.id), {});
        assert.deepEqual(await linode.deleteNodeBalancerConfig(balancer.id, port.id), {});
        assert.equal((await linode.getNodeBalancerFirewalls(balancer.id)).results, 0);
        assert.equal((await linode.getNodeBalancerVPCConfigsBeta(balancer.id)).results, 0);
        assert.deepEqual(await linode.deleteNodeBalancer(balancer.id), {});
        assert.equal((await refusal(linode.getNodeBalancer(balancer.id))).status, 404);
    });

    it("placement groups", async () => {
        const group = await linode.createPlacementGroup({
            label: "servers",
            region,
            placement_group_type: "anti_affinity:local",
            placement_group_policy: "strict",
        });
        const born = await instance("born-in-group", { placement_group: { id: group.id } });
        assert.equal(born.placement_group?.label, "servers");
        const late = await instance("late-in-group");
        const { members } = await linode.assignLinodesToPlacementGroup(group.id, { linodes: [late.id] });
        assert.deepEqual(
            members.map(({ linode_id }) => linode_id),
            [born.id, late.id],
        );
        assert.equal((await refusal(linode.deletePlacementGroup(group.id))).status, 400);
        await linode.unassignLinodesFromPlacementGroup(group.id, { linodes: [late.id] });
        await linode.deleteLinode(born.id);
        assert.deepEqual((await linode.getPlacementGroup(group.id)).members, []);
        assert.equal((await linode.updatePlacementGroup(group.id, { label: "voters" })).label, "voters");
        assert.equal((await linode.getPlacementGroups()).results, 1);
        assert.deepEqual(await linode.deletePlacementGroup(group.id), {});
    });
});
