import * as assert from "node:assert/strict";

import { parseConfig } from "../../config";
import { keepsApart } from "../../settings/linode";
import { refusal } from "../support/settings";

const accepted = (linode: Record<string, unknown>) => {
    const config = parseConfig({ substrate: "linode", linode: JSON.stringify(linode) });
    assert.ok(config.lab === "nomad");
    return config.linode;
};
const refused = (linode: Record<string, unknown>, ...more: Record<string, unknown>[]) =>
    refusal(Object.assign({ substrate: "linode", linode }, ...more) as Record<string, unknown>);

describe("the settings of a stack at Linode", () => {
    it("have defaults that run the labs", () => {
        assert.deepEqual(accepted({}), {
            region: "nl-ams",
            type: "g6-standard-1",
            image: "linode/debian12",
            backups: false,
            nodeBalancer: false,
        });
        assert.equal(parseConfig({ lab: "routed", substrate: "linode" }).substrate, "linode");
    });

    it("take networks of both families, a domain and a time to live", () => {
        const linode = {
            operators: ["203.0.113.7/32", "198.51.100.0/24", "2001:db8::/48"],
            dns: { domain: "labs.example.org" },
            ttl: "48h",
        };
        const { operators, dns, ttl } = accepted(linode);
        assert.deepEqual({ operators, dns, ttl }, linode);
    });

    it("never open operators' endpoints to everybody", () => {
        for (const network of ["0.0.0.0/0", "0.0.0.0/1", "::/0", "2000::/3"]) {
            assert.match(
                refused({ operators: ["203.0.113.7/32", network] }),
                /gatehouse:linode\.operators\.1: lets nearly everybody in.*name the networks that you come from/,
                network,
            );
        }
        assert.match(refused({ operators: [] }), /linode\.operators: must name at least one network; remove/);
        assert.match(
            refused({ operators: ["203.0.113.7"] }),
            /linode\.operators\.0: must be a network such as 203\.0\.113\.7\/32/,
        );
    });

    it("are refused where they make no sense, each with a remedy", () => {
        assert.match(
            refused({ region: "NL AMS" }),
            /linode\.region: must be the id of a region such as nl-ams/,
        );
        assert.match(
            refused({ type: "2 GB" }),
            /linode\.type: must be the id of a plan such as g6-standard-1/,
        );
        assert.match(
            refused({ image: "debian12" }),
            /linode\.image: must be the id of an image such as linode\//,
        );
        assert.match(
            refused({ dns: { domain: "localhost" } }),
            /linode\.dns\.domain: must be a domain of the/,
        );
        assert.match(refused({ ttl: "2 weeks" }), /linode\.ttl: must be hours or days such as 48h or 7d/);
        assert.match(refused({ size: 3 }), /linode\.size: unknown setting/);
        assert.match(
            refused({}, { network: { subnet: "192.168.200.0/24" } }),
            /network\.subnet: 192\.168\.200\.0\/24 overlaps 192\.168\.128\.0\/17.*choose another/,
        );
        assert.match(
            refused({}, { network: { subnet: "192.168.0.0/16" } }),
            /network\.subnet: 192\.168\.0\.0\/16 overlaps/,
        );
        assert.match(
            refused({ placementGroup: true }, { lab: "routed", servers: { count: 7 } }),
            /linode\.placementGroup: a placement group has at most 5 members.*fewer servers/,
        );
    });

    it("belong to stacks at Linode alone, and those to labs of machines", () => {
        assert.match(
            refusal({ linode: { region: "us-ord" } }),
            /gatehouse:linode: has no effect on docker; set gatehouse:substrate to linode, or remove it/,
        );
        for (const lab of ["sticky", "template", "etcd"]) {
            assert.match(
                refusal({ lab, substrate: "linode" }),
                /gatehouse:substrate: the lab runs on docker alone; choose lab nomad or routed/,
            );
        }
    });

    it("keep two to five servers apart unless told otherwise", () => {
        assert.deepEqual(
            [1, 3, 5, 7].map((count) => keepsApart({}, count)),
            [false, true, true, false],
        );
        assert.equal(keepsApart({ placementGroup: false }, 3), false);
        assert.equal(keepsApart({ placementGroup: true }, 1), true);
    });
});
