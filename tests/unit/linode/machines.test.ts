import type { FirewallRules } from "@linode/api-v4";
import * as assert from "node:assert/strict";
import { stringify } from "yaml";

import { run } from "../../support/command";
import { docker, inventory, removeLeftovers } from "../../support/docker";
import { request } from "../../support/http";
import { DockerDriver } from "../../support/linode/docker/driver";
import { renderBalancer } from "../../support/linode/docker/haproxy";
import { renderPacketFilter } from "../../support/linode/docker/packet-filter";
import type { Balancer } from "../../support/linode/driver";
import { LinodeEmulator } from "../../support/linode/emulator";
import { eventually } from "../../support/poll";
import { imageReference } from "../../../toolchain/images";

/** Of this test alone, like the networks of the labs. */
const publicRange = "10.246.0.0/24";

describe("linode emulator: machines in Docker", function () {
    this.timeout("5m");
    const name = `gatehouse-linode-test-${process.pid}`;
    const driver = new DockerDriver({
        name,
        publicRange,
        machineImage: imageReference("machine-nomad"),
        balancerImage: imageReference("haproxy-base"),
    });
    const emulator = new LinodeEmulator({ speed: 0.01, publicRange, driver });

    before(() => emulator.start());
    after(async () => {
        await emulator.stop();
        await removeLeftovers(name);
    });

    async function call<T>(method: string, path: string, body?: object): Promise<T> {
        const answer = await request(`${emulator.url}/v4${path}`, {
            method,
            body,
            headers: { authorization: `Bearer ${emulator.token}` },
            timeout: 120,
        });
        assert.equal(answer.status, 200, `${method} ${path}: ${answer.body}`);
        return JSON.parse(answer.body) as T;
    }

    /** The status of a web page, or `undefined` when there is none to be had. */
    const visit = (address: string): Promise<number | undefined> =>
        request(`http://${address}/`, { timeout: 3 }).then(
            ({ status }) => status,
            () => undefined,
        );

    it("boots user data on a VPC, behind a firewall and a NodeBalancer, and leaves nothing", async () => {
        const vpc = await call<{ id: number; subnets: { id: number }[] }>("POST", "/vpcs", {
            label: "lab",
            region: "us-ord",
            subnets: [{ label: "nodes", ipv4: "10.247.1.0/24" }],
        });
        const wall = await call<{ id: number }>("POST", "/networking/firewalls", {
            label: "wall",
            rules: {
                inbound: [
                    {
                        action: "ACCEPT",
                        protocol: "TCP",
                        ports: "8080",
                        // Where NodeBalancers call from.
                        addresses: { ipv4: ["192.168.255.0/24"] },
                    },
                ],
                inbound_policy: "DROP",
                outbound_policy: "ACCEPT",
            },
        });
        const userData = `#cloud-config\n${stringify({
            locale: false,
            preserve_hostname: true,
            runcmd: ["systemd-run python3 -m http.server 8080"],
        })}`;
        const linode = await call<{ id: number; ipv4: string[] }>("POST", "/linode/instances", {
            label: "web-1",
            region: "us-ord",
            type: "g6-nanode-1",
            image: "linode/debian12",
            root_pass: "long-enough-not-secret",
            private_ip: true,
            firewall_id: wall.id,
            metadata: { user_data: Buffer.from(userData).toString("base64") },
            interfaces: [
                { purpose: "public" },
                { purpose: "vpc", subnet_id: vpc.subnets[0]!.id, ipv4: { vpc: "10.247.1.11" } },
            ],
        });
        await eventually(
            "a running instance",
            async () => {
                const { status } = await call<{ status: string }>("GET", `/linode/instances/${linode.id}`);
                assert.equal(status, "running", emulator.events().at(-1)?.message ?? "");
            },
            { within: 120 },
        );
        const container = `${name}-linode-${linode.id}`;
        const addresses = await docker("exec", container, "ip", "-4", "-brief", "address");
        for (const address of [...linode.ipv4, "10.247.1.11"]) {
            assert.ok(addresses.includes(`${address}/`), addresses);
        }

        const balancer = await call<{ id: number; ipv4: string }>("POST", "/nodebalancers", {
            label: "front",
            region: "us-ord",
            configs: [
                {
                    port: 80,
                    protocol: "tcp",
                    check: "connection",
                    nodes: [{ label: "web-1", address: `${linode.ipv4[1]}:8080` }],
                },
            ],
        });
        await eventually(
            "the page through the NodeBalancer",
            async () => assert.equal(await visit(balancer.ipv4), 200),
            { within: 120 },
        );
        const [port] = (
            await call<{ data: { nodes_status: object }[] }>("GET", `/nodebalancers/${balancer.id}/configs`)
        ).data;
        assert.deepEqual(port?.nodes_status, { up: 1, down: 0 });
        const [node] = [...(await driver.nodes(balancer.id, 80)).values()];
        assert.ok(node!.sessions > 0, "the balancer counts what it has sent to a node");
        const direct = `${linode.ipv4[0]}:8080`;
        assert.equal(await visit(direct), undefined, "the firewall lets only NodeBalancers in");
        await call("PUT", `/networking/firewalls/${wall.id}/rules`, {
            inbound_policy: "ACCEPT",
            outbound_policy: "ACCEPT",
        });
        assert.equal(await visit(direct), 200, "changed rules take effect at once");

        await call("DELETE", `/nodebalancers/${balancer.id}`);
        await call("DELETE", `/linode/instances/${linode.id}`);
        await eventually("the instance's end", () =>
            assert.ok(!emulator.inventory().some(({ kind }) => kind === "linode")),
        );
        await call("DELETE", `/vpcs/${vpc.id}`);
        assert.deepEqual((await inventory(name)).containers, []);
        await emulator.stop();
        assert.deepEqual(await inventory(name), { containers: [], networks: [], volumes: [] });
    });

    const rules: FirewallRules = {
        inbound: [
            {
                action: "ACCEPT",
                protocol: "TCP",
                ports: "22, 8000-8100",
                addresses: { ipv4: ["203.0.113.7/32"] },
            },
            {
                action: "DROP",
                protocol: "UDP",
                addresses: { ipv4: ["0.0.0.0/0", "10.0.0.0/8"], ipv6: ["::/0"] },
            },
            { action: "ACCEPT", protocol: "ICMP", addresses: { ipv4: ["0.0.0.0/0"] } },
            { action: "ACCEPT", protocol: "IPENCAP", addresses: { ipv4: ["198.18.0.1"] } },
        ],
        inbound_policy: "DROP",
        outbound: [],
        outbound_policy: "ACCEPT",
        fingerprint: "",
        version: 1,
    };

    it("writes a packet filter that iptables reads: rules in order, then the policy", async () => {
        const text = renderPacketFilter(rules);
        assert.deepEqual(
            text.split("\n").filter((line) => line.startsWith("-A LINODE-IN")),
            [
                "-A LINODE-IN -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN",
                "-A LINODE-IN -s 203.0.113.7/32 -p tcp -m multiport --dports 22,8000:8100 -j RETURN",
                "-A LINODE-IN -s 0.0.0.0/0 -p udp -j DROP",
                "-A LINODE-IN -s 10.0.0.0/8 -p udp -j DROP",
                "-A LINODE-IN -s 0.0.0.0/0 -p icmp -j RETURN",
                "-A LINODE-IN -s 198.18.0.1 -p ipencap -j RETURN",
                "-A LINODE-IN -j DROP",
            ],
        );
        for (const input of [text, renderPacketFilter(undefined)]) {
            const { code, output } = await run(
                "docker",
                [
                    ...["run", "--rm", "--interactive", "--network", "none", "--cap-add", "NET_ADMIN"],
                    ...["--entrypoint", "iptables-restore", imageReference("machine-nomad"), "--test"],
                ],
                { input },
            );
            assert.equal(code, 0, output);
        }
    });

    it("writes a balancer that HAProxy reads, for every setting, and refuses what is not emulated", async () => {
        const check = {
            kind: "none",
            path: "",
            body: "",
            interval: 5,
            timeout: 3,
            attempts: 2,
            passive: true,
        };
        const nodes = ["accept", "reject", "backup", "drain"].map((mode, index) => ({
            id: index + 1,
            label: mode,
            address: `192.168.128.${16 + index}:80`,
            weight: 50,
            mode,
        }));
        const base = {
            protocol: "tcp",
            algorithm: "roundrobin",
            stickiness: "none",
            proxyProtocol: "none",
            check,
            nodes,
        };
        const balancer: Balancer = {
            id: 1,
            label: "front",
            region: "us-ord",
            address: "198.18.0.20",
            ports: [
                { ...base, port: 80, protocol: "http", stickiness: "http_cookie" },
                { ...base, port: 81, algorithm: "leastconn", stickiness: "table", proxyProtocol: "v1" },
                {
                    ...base,
                    port: 82,
                    algorithm: "source",
                    proxyProtocol: "v2",
                    check: { ...check, kind: "connection" },
                },
                {
                    ...base,
                    port: 83,
                    protocol: "http",
                    check: { ...check, kind: "http", path: "/health?a=b c" },
                },
                {
                    ...base,
                    port: 84,
                    protocol: "http",
                    check: { ...check, kind: "http_body", path: "/", body: 'says "ok" for $5' },
                },
            ],
        };
        for (const each of [balancer, { ...balancer, ports: [] }]) {
            const { code, output } = await run(
                "docker",
                [
                    ...["run", "--rm", "--interactive", "--network", "none", "--entrypoint", "haproxy"],
                    ...[imageReference("haproxy-base"), "-c", "-f", "/dev/stdin"],
                ],
                { input: renderBalancer(each) },
            );
            assert.equal(code, 0, output);
        }
        assert.match(
            renderBalancer(balancer),
            /server node-1 \S+ .* observe layer4 error-limit 1 on-error mark-down/,
        );
        assert.throws(
            () => renderBalancer({ ...balancer, ports: [{ ...base, port: 443, protocol: "https" }] }),
            /port 443: the protocol https is not emulated, only tcp and http/,
        );
    });
});
