import * as assert from "node:assert/strict";

import { firewallRules, type FirewallRulesArgs } from "../../../../components/machines/linode/firewall";
import { ports, type PortRule, rulesFor } from "../../../../components/security/ports";

const args: FirewallRulesArgs = {
    published: [
        { port: 80, publishedPort: 8000, audience: "public" },
        { port: 1936, publishedPort: 1936, audience: "operators" },
    ],
    peers: [],
    operators: ["203.0.113.7/32"],
    subnet: "10.213.0.0/24",
    balanced: false,
};

/** The rules as label, protocol, ports and sources. */
const brief = (given: Partial<FirewallRulesArgs>) =>
    firewallRules({ ...args, ...given }).map(
        ({ label, protocol, ports: list, ipv4s = [], ipv6s = [] }) =>
            `${label}: ${protocol} ${list} from ${[...(ipv4s as string[]), ...(ipv6s as string[])].join(" ")}`,
    );

const rule = (from: number, to = from, protocols: PortRule["protocols"] = ["tcp"]): PortRule => ({
    ...ports.registry,
    from,
    to,
    protocols,
});

describe("the firewall of a machine at Linode", () => {
    it("lets operators in to SSH and their endpoints, and everybody to what is public", () => {
        assert.deepEqual(brief({}), [
            "operators-tcp: TCP 22, 1936 from 203.0.113.7/32",
            "public-tcp: TCP 80 from 0.0.0.0/0 ::/0",
        ]);
    });

    it("lets users in through NodeBalancers alone where there is one", () => {
        assert.deepEqual(brief({ balanced: true }), [
            "operators-tcp: TCP 22, 1936 from 203.0.113.7/32",
            "balancers-tcp: TCP 80 from 192.168.255.0/24",
        ]);
    });

    it("has both families of operators' networks", () => {
        const operators = ["203.0.113.0/24", "2001:db8::/48"];
        assert.equal(
            brief({ operators, published: [] }).join(),
            "operators-tcp: TCP 22 from 203.0.113.0/24 2001:db8::/48",
        );
    });

    it("opens peers' ports to the lab's network, by protocol, with what touches in one range", () => {
        const peers = [
            rule(8301, 8301, ["tcp", "udp"]),
            rule(8300),
            rule(8600, 8600, ["udp"]),
            rule(20000, 32000),
        ];
        assert.deepEqual(brief({ published: [], peers }).slice(1), [
            "peers-tcp: TCP 8300-8301, 20000-32000 from 10.213.0.0/24",
            "peers-udp: UDP 8301, 8600 from 10.213.0.0/24",
        ]);
    });

    it("has another rule when one has no room for more: a range counts as two", () => {
        const peers = Array.from({ length: 9 }, (_, index) => rule(1000 + index * 10, 1005 + index * 10));
        const lists = firewallRules({ ...args, published: [], peers }).slice(1);
        assert.deepEqual(
            lists.map(({ label, ports: list }) => [label, String(list).split(", ").length]),
            [
                ["peers-tcp", 7],
                ["peers-tcp-2", 2],
            ],
        );
    });

    it("covers every peers' port of the table within Linode's limits", () => {
        const rules = firewallRules({ ...args, peers: rulesFor("peers") });
        assert.ok(rules.length <= 25, `${rules.length} rules`);
        for (const { label, description, action } of rules) {
            assert.match(String(label), /^[a-z0-9-]{3,32}$/);
            assert.ok(String(description).length <= 100, String(description));
            assert.equal(action, "ACCEPT");
        }
        const opened = (protocol: string, port: number) =>
            rules.some(
                (each) =>
                    String(each.label).startsWith("peers") &&
                    each.protocol === protocol &&
                    String(each.ports)
                        .split(", ")
                        .map((part) => part.split("-").map(Number))
                        .some(([from = 0, to = from]) => from <= port && port <= to),
            );
        for (const { from, to, protocols, purpose } of rulesFor("peers")) {
            for (const protocol of ["tcp", "udp"] as const) {
                const wanted = protocols.includes(protocol);
                assert.equal(opened(protocol.toUpperCase(), from), wanted, `${purpose} ${from}/${protocol}`);
                assert.equal(opened(protocol.toUpperCase(), to), wanted, `${purpose} ${to}/${protocol}`);
            }
        }
        assert.equal(opened("TCP", ports.ssh.from), false, "SSH is for operators");
        assert.equal(opened("TCP", ports.haproxyStats.from), false);
    });

    it("opens nothing but 80 and 443 to everybody, and nothing without operators", () => {
        const published = [{ port: 8500, publishedPort: 8500, audience: "public" as const }];
        assert.throws(() => brief({ published }), /Port 8500 is for the public.*80 and 443.*operators/);
        assert.throws(() => brief({ operators: [] }), /networks that operators come from/);
    });
});
