import * as assert from "node:assert/strict";

import { type PortRule, ports, rulesFor } from "../../../components/security/ports";

const rules: PortRule[] = Object.values(ports);

describe("the table of ports", () => {
    it("has ranges of real ports, and no port twice", () => {
        const sorted = [...rules].sort((a, b) => a.from - b.from);
        for (const [index, rule] of sorted.entries()) {
            assert.ok(rule.from >= 1 && rule.from <= rule.to && rule.to <= 65535, rule.purpose);
            assert.ok(
                (sorted[index + 1]?.from ?? Infinity) > rule.to,
                `${rule.purpose} overlaps with the next`,
            );
        }
    });

    it("opens the web to the public and nothing else", () => {
        assert.deepEqual(
            rulesFor("public").map((rule) => rule.from),
            [80, 443],
        );
    });

    it("keeps cluster traffic among peers: no operator reaches gossip or RPC", () => {
        const clusters = [
            ports.consulServer,
            ports.consulGossip,
            ports.nomadRpc,
            ports.nomadGossip,
            ports.nomadDynamic,
            ports.etcdPeer,
        ];
        for (const rule of clusters) {
            assert.deepEqual(rule.audiences, ["peers"], rule.purpose);
        }
    });

    it("gives gossip and DNS both protocols", () => {
        const udp = rules.filter((rule) => rule.protocols.includes("udp")).map((rule) => rule.from);
        assert.deepEqual(udp, [53, 8301, 8600, 4648, 20000]);
    });

    it("picks rules by name and audience", () => {
        assert.deepEqual(rulesFor("operators", ["ssh", "nomadRpc", "nomadHttp"]), [
            ports.ssh,
            ports.nomadHttp,
        ]);
    });
});
