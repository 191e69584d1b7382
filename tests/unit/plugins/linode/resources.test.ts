import * as assert from "node:assert/strict";

import { plain, Secret } from "../../../support/provider-harness";
import { instanceArgs, rehearse, type Rehearsal } from "./linode";

describe("the linode plugin's resources, on an emulated API", () => {
    let api: Rehearsal;

    before(async () => {
        api = await rehearse();
    });
    after(() => api?.stop());

    it("VPC and subnet: made, changed, replaced, imported, gone", async () => {
        const vpcs = api.of("Vpc");
        const made = await vpcs.made({ label: "lab", region: "us-ord" });
        assert.equal(made.outputs.description, "");
        assert.match(String(made.outputs.created), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
        const changed = await vpcs.updated(made, { label: "lab", region: "us-ord", description: "of a lab" });
        const moved = { label: "lab", region: "nl-ams" };
        assert.deepEqual((await vpcs.diff(made, moved)).replaces, ["region"]);

        const subnets = api.of("VpcSubnet");
        const subnet = await subnets.made({ vpcId: Number(made.id), label: "nodes", ipv4: "10.0.1.0/24" });
        await subnets.isSettled(subnet);
        const wider = await subnets.diff(subnet, {
            vpcId: Number(made.id),
            label: "nodes",
            ipv4: "10.0.0.0/16",
        });
        assert.deepEqual([wider.replaces, wider.deleteBeforeReplace], [["ipv4"], true]);
        const imported = await api.provider.read(subnets.type, `${made.id},${subnet.id}`);
        assert.deepEqual([imported!.id, imported!.inputs], [subnet.id, subnet.inputs]);
        await subnets.removed(subnet);
        await subnets.isRecreated(subnet);
        await vpcs.removed(changed);
        assert.equal(await vpcs.read(made), undefined);
    });

    it("placement group and SSH key", async () => {
        const groups = api.of("PlacementGroup");
        const args = { label: "servers", region: "us-ord", placementGroupType: "anti_affinity:local" };
        const group = await groups.made(args);
        await groups.isSettled(group);
        assert.deepEqual((await groups.diff(group, { ...args, placementGroupPolicy: "flexible" })).replaces, [
            "placementGroupPolicy",
        ]);
        const renamed = await groups.updated(group, { ...args, label: "voters" });
        await groups.isSettled(renamed);
        await groups.removed(renamed);

        const keys = api.of("SshKey");
        const key = await keys.made({ label: "laptop", sshKey: "ssh-ed25519 AAAA me\n" });
        assert.deepEqual(
            (await keys.diff((await keys.read(key))!, key.inputs)).paths,
            {},
            "a line's end is none",
        );
        await keys.removed(key);
    });

    it("firewall: rules, devices, and a refresh that sees a foreign change", async () => {
        const member = await api.of("Instance").made({ ...instanceArgs, label: "member" });
        const firewalls = api.of("Firewall");
        const rule = {
            label: "ssh",
            action: "ACCEPT",
            protocol: "TCP",
            ports: "22",
            ipv4s: ["203.0.113.7/32"],
        };
        const args = {
            label: "wall",
            inboundPolicy: "DROP",
            outboundPolicy: "ACCEPT",
            inbounds: [rule],
            linodes: [Number(member.id)],
            tags: ["gatehouse-dev"],
        };
        const made = await firewalls.made(args);
        assert.equal((made.outputs.devices as { label: string }[])[0]!.label, "member");
        assert.deepEqual((await firewalls.diff((await firewalls.read(made))!, args)).paths, {});
        const foreign = await fetch(`${api.emulator.url}/v4/networking/firewalls/${made.id}/rules`, {
            method: "PUT",
            headers: { authorization: `Bearer ${api.emulator.token}` },
            body: JSON.stringify({ inbound_policy: "ACCEPT", outbound_policy: "ACCEPT" }),
        });
        assert.equal(foreign.status, 200);
        const drifted = await firewalls.diff((await firewalls.read(made))!, args);
        assert.deepEqual(Object.keys(drifted.paths).sort(), ["inboundPolicy", "inbounds"]);
        const opened = await firewalls.updated(made, {
            ...args,
            inbounds: [rule, { ...rule, label: "web", ports: "80,443" }],
            linodes: [],
            disabled: true,
        });
        assert.deepEqual([opened.outputs.status, opened.outputs.linodes], ["disabled", []]);
        const read = await firewalls.read(opened);
        assert.deepEqual(
            (read!.inputs.inbounds as { label: string }[]).map(({ label }) => label),
            ["ssh", "web"],
        );
        await firewalls.removed(opened);
        await api.of("Instance").removed(member);
    });

    it("NodeBalancer with config and node, and a certificate that stays secret", async () => {
        const web = await api.of("Instance").made({ ...instanceArgs, label: "web-1", privateIp: true });
        const balancers = api.of("NodeBalancer");
        const balancer = await balancers.made({ label: "front", region: "us-ord", tags: ["gatehouse-dev"] });
        assert.match(String(balancer.outputs.ipv4), /^198\.18\./);
        await balancers.isSettled({ ...balancer, inputs: { ...balancer.inputs, clientUdpSessThrottle: 0 } });

        const configs = api.of("NodeBalancerConfig");
        const nodebalancerId = Number(balancer.id);
        const args = { nodebalancerId, port: 80, protocol: "tcp", proxyProtocol: "v2", check: "connection" };
        const config = await configs.made(args);
        assert.deepEqual([config.outputs.algorithm, config.outputs.checkInterval], ["roundrobin", 5]);
        assert.deepEqual((await configs.diff((await configs.read(config))!, args)).paths, {});
        const faster = await configs.updated(config, { ...args, checkInterval: 2 });
        assert.equal(faster.outputs.checkInterval, 2);
        const tls = await configs.made({
            nodebalancerId,
            port: 443,
            protocol: "https",
            sslCert: "certificate",
            sslKey: new Secret("key"),
        });
        assert.ok(tls.outputs.sslKey instanceof Secret && tls.outputs.sslCert instanceof Secret);
        assert.equal(plain((await configs.read(tls))!.inputs).sslKey, "key");

        const nodes = api.of("NodeBalancerNode");
        const node = await nodes.made({
            nodebalancerId,
            configId: Number(config.id),
            label: "web-1",
            address: `${String(web.outputs.privateIpAddress)}:8080`,
        });
        assert.deepEqual([node.outputs.status, node.outputs.weight], ["UP", 50]);
        const lighter = await nodes.updated(node, { ...node.inputs, weight: 10 });
        assert.equal(lighter.outputs.weight, 10);
        const imported = await api.provider.read(nodes.type, `${balancer.id},${config.id},${node.id}`);
        assert.equal(imported!.inputs.configId, Number(config.id));
        await nodes.removed(node);
        await configs.removed(config);
        await balancers.removed(balancer);
        await api.of("Instance").removed(web);
    });

    it("domain and record", async () => {
        const domains = api.of("Domain");
        const domain = await domains.made({
            domain: "example.org",
            type: "master",
            soaEmail: "dns@example.org",
        });
        await domains.isSettled({ ...domain, inputs: { ...domain.inputs, status: "active", tags: [] } });
        const found = (args: Record<string, unknown>) =>
            api.provider.invoke("linode:index/getDomain:getDomain", args);
        assert.equal((await found({ domain: "example.org" }))["id"], Number(domain.id));
        assert.equal((await found({ id: Number(domain.id) }))["domain"], "example.org");
        await assert.rejects(found({ domain: "example.com" }), /Domain example\.com was not found/);
        const records = api.of("DomainRecord");
        const args = {
            domainId: Number(domain.id),
            recordType: "A",
            name: "www",
            target: "198.18.0.9",
            ttlSec: 300,
        };
        const record = await records.made(args);
        await records.isSettled(record);
        assert.deepEqual((await records.diff(record, { ...args, recordType: "AAAA" })).replaces, [
            "recordType",
        ]);
        const moved = await records.updated(record, { ...args, target: "198.18.0.10" });
        await records.isSettled(moved);
        await records.removed(moved);
        await domains.removed(domain);
    });

    it("leaves nothing behind", () => {
        assert.deepEqual(
            api.emulator.inventory().filter(({ label }) => label !== "lab"),
            [],
        );
    });

    it("refuses what it does not cover, by name", async () => {
        assert.deepEqual(await api.of("Instance").refused({ ...instanceArgs, stackscriptId: 7 }), [
            "stackscriptId",
        ]);
        assert.deepEqual(await api.of("Instance").refused({ region: "us-ord", authorizedKeys: ["x"] }), [
            "authorizedKeys",
        ]);
    });
});
