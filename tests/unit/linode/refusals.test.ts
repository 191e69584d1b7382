import * as assert from "node:assert/strict";

import { request, type Answer } from "../../support/http";
import { LinodeEmulator } from "../../support/linode/emulator";

interface Made {
    id: number;
    ipv4: string[];
    subnets: { id: number }[];
}

const base = {
    region: "us-ord",
    type: "g6-nanode-1",
    image: "linode/debian12",
    root_pass: "long-enough-not-secret",
};
const open = { inbound_policy: "ACCEPT", outbound_policy: "ACCEPT" };
const rule = { action: "ACCEPT", protocol: "TCP", ports: "22", addresses: { ipv4: ["203.0.113.7/32"] } };

/** What the API says no to, in its own words where they are known. Raw HTTP: the client library would check beforehand. */
describe("linode emulator: what it refuses", () => {
    const emulator = new LinodeEmulator({
        // Nothing that takes time ends while these tests run.
        speed: 1,
        soldOut: ["us-ord/g6-standard-4"],
        limits: { firewalls: 3, nodebalancers: 1, createsPerWindow: 100 },
    });
    let member: Made;
    let vpc: Made;
    let group: Made;
    let balancer: Made;

    const call = (
        method: string,
        path: string,
        body?: object,
        headers: Record<string, string> = {},
    ): Promise<Answer> =>
        request(`${emulator.url}/v4${path}`, {
            method,
            body,
            headers: { authorization: `Bearer ${emulator.token}`, ...headers },
        });

    const make = async (path: string, body: object): Promise<Made> => {
        const answer = await call("POST", path, body);
        assert.equal(answer.status, 200, answer.body);
        return JSON.parse(answer.body) as Made;
    };

    const refused = async (method: string, path: string, body: object | undefined, status: number) => {
        const answer = await call(method, path, body);
        assert.equal(answer.status, status, answer.body);
        return (JSON.parse(answer.body) as { errors: { reason: string; field?: string }[] }).errors;
    };

    before(async () => {
        await emulator.start();
        member = await make("/linode/instances", { ...base, label: "member", private_ip: true });
        vpc = await make("/vpcs", {
            label: "lab",
            region: "us-ord",
            subnets: [{ label: "nodes", ipv4: "10.1.0.0/29" }],
        });
        group = await make("/placement/groups", {
            label: "pack",
            region: "nl-ams",
            placement_group_type: "anti_affinity:local",
        });
        balancer = await make("/nodebalancers", { region: "us-ord", label: "front" });
        await make("/networking/firewalls", {
            label: "wall",
            rules: open,
            devices: { linodes: [member.id] },
        });
    });
    after(() => emulator.stop());

    it("a missing and a wrong token, with the same words", async () => {
        for (const authorization of ["", "Bearer wrong", `Basic ${emulator.token}`]) {
            const answer = await call("GET", "/account", undefined, { authorization });
            assert.equal(answer.status, 401);
            assert.equal(answer.body, '{"errors":[{"reason":"Invalid Token"}]}');
            assert.equal(answer.headers["content-type"], "application/json");
        }
    });

    it("answers in JSON without a character set, and {} to a deletion", async () => {
        const key = await make("/profile/sshkeys", { label: "k", ssh_key: "ssh-ed25519 AAAA" });
        const answer = await call("DELETE", `/profile/sshkeys/${key.id}`);
        assert.deepEqual(
            [answer.status, answer.body, answer.headers["content-type"]],
            [200, "{}", "application/json"],
        );
        assert.equal((await call("GET", "/profile/grants")).status, 204);
    });

    it("paths that it does not have", async () => {
        for (const path of [
            "/nothing",
            "/linode/instances/1",
            "/linode/instances/x",
            `/vpcs/${vpc.id}/subnets/1`,
        ]) {
            assert.deepEqual(await refused("GET", path, undefined, 404), [{ reason: "Not found" }], path);
        }
        const other = await make("/vpcs", { label: "other", region: "us-ord" });
        await refused("GET", `/vpcs/${other.id}/subnets/${vpc.subnets[0]!.id}`, undefined, 404);
    });

    it("a body that is not JSON", async () => {
        const response = await fetch(`${emulator.url}/v4/vpcs`, {
            method: "POST",
            body: "{",
            headers: { authorization: `Bearer ${emulator.token}`, "content-type": "application/json" },
        });
        assert.deepEqual(
            [response.status, await response.json()],
            [400, { errors: [{ reason: "Invalid JSON" }] }],
        );
    });

    it("everything that is wrong with a request at once", async () => {
        const errors = await refused("POST", "/linode/instances", { region: "mars", type: "g99" }, 400);
        assert.deepEqual(errors, [
            { field: "type", reason: "A valid plan type by that ID was not found" },
            { field: "region", reason: "region is not valid" },
        ]);
        const missing = await refused("POST", "/linode/instances", { label: 7 }, 400);
        assert.deepEqual(missing.map(({ field }) => field).sort(), ["label", "region", "type"]);
    });

    const data = (bytes: number) => ({ user_data: Buffer.alloc(bytes, "x").toString("base64") });

    const instances: [string, object, string | undefined, RegExp, number?][] = [
        ["a label that is taken", { label: "member" }, "label", /^Label must be unique among your linodes$/],
        ["a label that is too short", { label: "ab" }, "label", /^Length must be 3-64 characters$/],
        ["a label with two dashes", { label: "a--b" }, "label", /may only contain/],
        [
            "a password that is too short",
            { root_pass: "short" },
            "root_pass",
            /^Length must be 11-128 characters$/,
        ],
        ["no password and no key", { root_pass: undefined }, "root_pass", /^root_pass is required$/],
        ["an unknown image", { image: "linode/beos" }, "image", /^image is not valid$/],
        [
            "too much user data",
            { metadata: data(16385) },
            "metadata.user_data",
            /^decoded user_data must not exceed 16384 bytes$/,
        ],
        [
            "user data that is not encoded",
            { metadata: { user_data: "#cloud-config" } },
            "metadata.user_data",
            /^user_data must be a base64 encoded string$/,
        ],
        [
            "user data for an image that does not read it",
            { metadata: data(1), image: "linode/alpine3.20" },
            "metadata",
            /does not support cloud-init/,
        ],
        ["an unknown firewall", { firewall_id: 1 }, "firewall_id", /not valid/],
        [
            "a tag that is too short",
            { tags: ["ok-tag", "no"] },
            "tags[1]",
            /^Length must be 3-50 characters$/,
        ],
        [
            "more than three interfaces",
            { interfaces: Array(4).fill({ purpose: "vlan" }) },
            "interfaces",
            /at most 3/,
        ],
        [
            "an unknown kind of interface",
            { interfaces: [{ purpose: "wifi" }] },
            "interfaces[0].purpose",
            /one of/,
        ],
        ["the newer interfaces", { interface_generation: "linode" }, "interface_generation", /not emulated/],
        ["a plan that is sold out", { type: "g6-standard-4" }, undefined, /not currently available/, 403],
    ];
    for (const [what, change, field, reason, status = 400] of instances) {
        it(`an instance with ${what}`, async () => {
            const errors = await refused("POST", "/linode/instances", { ...base, ...change }, status);
            assert.equal(errors[0]!.field, field);
            assert.match(errors[0]!.reason, reason);
            assert.equal(
                emulator.inventory().filter(({ kind }) => kind === "linode").length,
                1,
                "nothing is made",
            );
        });
    }

    it("a firewall for an instance that is there already", async () => {
        const errors = await refused("PUT", `/linode/instances/${member.id}`, { firewall_id: 1 }, 400);
        assert.equal(errors[0]!.field, "firewall_id");
    });

    it("an instance in the subnet of another region, or at an address that is reserved or taken", async () => {
        const subnet = vpc.subnets[0]!.id;
        const at = (address?: string, more = {}) => ({
            ...base,
            label: `at-${address ?? "any"}`,
            interfaces: [{ purpose: "vpc", subnet_id: subnet, ipv4: { vpc: address } }],
            ...more,
        });
        for (const address of ["10.1.0.1", "10.1.0.6", "10.1.0.7", "10.2.0.3"]) {
            const [error] = await refused("POST", "/linode/instances", at(address), 400);
            assert.equal(error!.field, "interfaces[0].ipv4.vpc", address);
        }
        const first = await make("/linode/instances", at("10.1.0.3"));
        const [taken] = await refused("POST", "/linode/instances", at("10.1.0.3", { label: "late" }), 400);
        assert.match(taken!.reason, /already in use/);
        const [away] = await refused("POST", "/linode/instances", at(undefined, { region: "nl-ams" }), 400);
        assert.match(away!.reason, /same region/);
        await call("DELETE", `/linode/instances/${first.id}`);
    });

    it("subnets that are public, too small, overlapping or in the private range", async () => {
        for (const [ipv4, reason] of [
            ["203.0.113.0/24", /RFC 1918/],
            ["10.3.0.0/30", /RFC 1918/],
            ["192.168.128.0/24", /192\.168\.128\.0\/17/],
            ["10.1.0.0/24", /Overlaps/],
            ["10.3.0.1/24", /host bits/],
            ["many", /CIDR/],
        ] as const) {
            const [error] = await refused("POST", `/vpcs/${vpc.id}/subnets`, { label: "more", ipv4 }, 400);
            assert.equal(error!.field, "ipv4", ipv4);
            assert.match(error!.reason, reason);
        }
        const [label] = await refused("POST", "/vpcs", { label: "lab", region: "us-ord" }, 400);
        assert.equal(label!.reason, "Label must be unique among your VPCs");
        const [region] = await refused("POST", "/vpcs", { label: "west", region: "us-west" }, 400);
        assert.equal(region!.field, "region");
    });

    it("nodes that are not private addresses of the region's instances", async () => {
        const port = await make(`/nodebalancers/${balancer.id}/configs`, { port: 80 });
        const nodes = `/nodebalancers/${balancer.id}/configs/${port.id}/nodes`;
        for (const [address, reason] of [
            [`${member.ipv4[0]}:80`, "Must begin with 192.168"],
            ["10.1.0.3:80", "Must begin with 192.168"],
            ["192.168.1.1:80", "Must be a private address of 192.168.128.0/17"],
            ["192.168.255.7:80", "Must be a private address of 192.168.128.0/17"],
            ["192.168.200.1:80", "192.168.200.1 is not the private address of a Linode in us-ord"],
            [`${member.ipv4[1]}`, "Must be an address and a port, such as 192.168.128.17:80"],
        ] as const) {
            const errors = await refused("POST", nodes, { label: "node", address }, 400);
            assert.deepEqual(errors, [{ field: "address", reason }]);
        }
        const node = await make(nodes, { label: "node", address: `${member.ipv4[1]}:80` });
        assert.ok(node.id);
        const [port80] = await refused("POST", `/nodebalancers/${balancer.id}/configs`, { port: 80 }, 400);
        assert.equal(port80!.field, "port");
        const [proxy] = await refused(
            "POST",
            `/nodebalancers/${balancer.id}/configs`,
            { port: 81, proxy_protocol: "v2", protocol: "http" },
            400,
        );
        assert.equal(proxy!.field, "proxy_protocol");
    });

    it("firewall rules that make no sense", async () => {
        const wall = (inbound: object[]) => ({ label: "second", rules: { ...open, inbound } });
        for (const [rules, field] of [
            [[{ ...rule, ports: "0" }], "rules.inbound[0].ports"],
            [[{ ...rule, ports: "90-80" }], "rules.inbound[0].ports"],
            [
                [{ ...rule, ports: Array.from({ length: 16 }, (_, i) => 80 + i).join(",") }],
                "rules.inbound[0].ports",
            ],
            [[{ ...rule, protocol: "ICMP" }], "rules.inbound[0].ports"],
            [[rule, { ...rule, addresses: { ipv4: ["1.2.3"] } }], "rules.inbound[1].addresses.ipv4"],
            [[{ ...rule, addresses: {} }], "rules.inbound[0].addresses"],
            [[{ ...rule, action: "REJECT" }], "rules.inbound[0].action"],
            [Array(26).fill(rule), "rules"],
        ] as const) {
            const [error] = await refused("POST", "/networking/firewalls", wall([...rules]), 400);
            assert.equal(error!.field, field);
        }
        const [label] = await refused("POST", "/networking/firewalls", { ...wall([]), label: "wall" }, 400);
        assert.equal(label!.reason, "Label must be unique among your Cloud Firewalls");
        const guarded = { ...wall([]), devices: { linodes: [member.id] } };
        const [device] = await refused("POST", "/networking/firewalls", guarded, 400);
        assert.equal(device!.field, "devices.linodes");
        assert.equal(
            emulator.inventory().filter(({ kind }) => kind === "firewall").length,
            1,
            "none is left half made",
        );
    });

    it("placement in another region, and more members than a group can have", async () => {
        const inGroup = (label: string, region: string) => ({
            ...base,
            label,
            region,
            placement_group: { id: group.id },
        });
        const [away] = await refused("POST", "/linode/instances", inGroup("away", "us-ord"), 400);
        assert.deepEqual([away!.field, /same region/.test(away!.reason)], ["placement_group.id", true]);
        for (const number of [1, 2, 3, 4, 5]) {
            await make("/linode/instances", inGroup(`member-${number}`, "nl-ams"));
        }
        const [full] = await refused("POST", "/linode/instances", inGroup("member-6", "nl-ams"), 400);
        assert.match(full!.reason, /has 5 Linodes/);
    });

    it("domains that exist, and masters without a mail address", async () => {
        const zone = { domain: "example.org", type: "master", soa_email: "dns@example.org" };
        await make("/domains", zone);
        assert.equal((await refused("POST", "/domains", zone, 400))[0]!.reason, "DNS zone already exists.");
        const [mail] = await refused("POST", "/domains", { domain: "example.net", type: "master" }, 400);
        assert.equal(mail!.field, "soa_email");
    });

    it("more than the account may have", async () => {
        const reason = "Account Limit reached. Please open a support ticket.";
        const [balancers] = await refused("POST", "/nodebalancers", { region: "us-ord" }, 400);
        assert.deepEqual(balancers, { reason });
        await make("/networking/firewalls", { label: "two", rules: open });
        await make("/networking/firewalls", { label: "three", rules: open });
        assert.deepEqual(
            await refused("POST", "/networking/firewalls", { label: "four", rules: open }, 400),
            [{ reason }],
        );
    });
});
