import * as assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import * as path from "node:path";

import * as fc from "fast-check";
import { parse } from "yaml";

import { parseConfig } from "../../config";
import { AddressBook } from "../../components/machines/addresses";
import { etcdNodes, type EtcdSettings, suitable } from "../../settings/etcd";
import { wantedObjects } from "../../toolchain/names";
import { wantedPorts } from "../../toolchain/ports";
import { settingsOf } from "../../toolchain/stackfile";
import { root } from "../support/command";
import { refusal } from "../support/settings";

function etcd(settings: Record<string, unknown> = {}): EtcdSettings {
    const raw = Object.entries(settings).map(([key, value]) => [key, JSON.stringify(value)]);
    const config = parseConfig({ lab: "etcd", ...Object.fromEntries(raw) });
    assert.ok(config.lab === "etcd");
    return config;
}

const refused = (settings: Record<string, unknown>) => refusal({ lab: "etcd", ...settings });
const names = (settings: Record<string, unknown> = {}) => etcdNodes(etcd(settings)).map(({ name }) => name);

describe("configuration of the etcd lab", () => {
    it("needs no more than the lab's name, as its stack file says", () => {
        const { config } = parse(readFileSync(path.join(root, "Pulumi.etcd.yaml"), "utf8")) as {
            config: Record<string, string>;
        };
        assert.deepEqual(config, { "gatehouse:lab": "etcd" });
        assert.deepEqual(names(), ["etcd-1", "etcd-2", "etcd-3", "web-1", "web-2", "balancer-1"]);
    });

    it("tells the front door what it will make", () => {
        const settings = settingsOf("etcd");
        const containers = wantedObjects("etcd", settings)
            .filter(({ kind }) => kind === "container")
            .map(({ name }) => name.replace("gatehouse-etcd-", ""));
        assert.deepEqual(containers.sort(), [...names(), "registry"].sort());
        const ssh = wantedPorts(settings).filter(({ name }) => name === "ssh");
        const book = new AddressBook("10.225.0.0/24");
        assert.deepEqual(
            ssh.map(({ port }) => port),
            names().map((name) => 22600 + Number(book.addressOf(name).split(".")[3])),
        );
    });

    it("refuses counts that are no majority's, and says which are", () => {
        assert.match(
            refused({ members: { count: 2 } }),
            /gatehouse:members\.count: must be odd, such as 1 or 3: 2 members tolerate no more failures than 1/,
        );
        assert.match(refused({ members: { count: 4 } }), /must be odd, such as 3 or 5/);
        assert.match(refused({ members: { count: 0 } }), /must be at least 1: nothing is stored/);
        assert.match(
            refused({ members: { count: 7 } }),
            /must be at most 5: a write waits for most of the members/,
        );
    });

    it("refuses names that are no keys, leases that cannot be kept, and cookies that are none", () => {
        for (const name of ["Web", "web/../root", "web app", "1web", "web-", "a".repeat(33)]) {
            assert.match(
                refused({ webapp: { name } }),
                /gatehouse:webapp\.name: must be lower-case letters.* it is a part of etcd's keys/,
                name,
            );
        }
        for (const lease of ["2s", "999ms", "3500ms"]) {
            assert.match(
                refused({ registration: { lease } }),
                /registration\.lease: must be whole seconds, at least 3s/,
            );
        }
        assert.match(
            refused({ registration: { lease: "5" } }),
            /registration\.lease: must be a number and a unit/,
        );
        assert.match(
            refused({ webapp: { sessionCookie: "a; b" } }),
            /sessionCookie: must be a cookie's name/,
        );
    });

    it("refuses more instances than have room, and asks that no machine meets", () => {
        assert.match(
            refused({ webapp: { count: 3 } }),
            /webapp\.count: 3 instances have no room on 2 machines with 1 each \(type=webserver\).*choose at most 2/,
        );
        assert.match(
            refused({ webapp: { requires: { type: "database" } } }),
            /webapp\.requires: no machine has the metadata type=database/,
        );
        assert.equal(etcd({ webapp: { count: 4, perMachine: 2 } }).webapp.count, 4);
        const machines = {
            web: { count: 1, metadata: { type: "webserver", zone: "a" } },
            other: { count: 3, metadata: { zone: "a" } },
        };
        assert.deepEqual(
            suitable(etcd({ machines, webapp: { count: 1 } })).map(({ name }) => name),
            ["web-1"],
        );
    });

    it("refuses groups whose names are others'", () => {
        for (const group of ["etcd", "balancer"]) {
            const machines = { [group]: { count: 1 }, web: { count: 2, metadata: { type: "webserver" } } };
            assert.match(refused({ machines }), new RegExp(`machines\\.${group}: is what the`));
        }
        assert.match(
            refused({ machines: { web: { count: 10, metadata: { type: "webserver" } } } }),
            /machines\.web\.count: .*numbered 1 to 9/,
        );
    });

    it("runs on docker alone so far", () => {
        assert.match(refused({ substrate: "linode" }), /gatehouse:substrate: the lab runs on docker alone/);
    });

    it("gives every machine an address of its own, however many there are", () => {
        fc.assert(
            fc.property(fc.constantFrom(1, 3, 5), fc.integer({ min: 1, max: 9 }), (members, web) => {
                const all = names({
                    members: { count: members },
                    machines: { web: { count: web, metadata: { type: "webserver" } } },
                    webapp: { count: 1 },
                });
                const book = new AddressBook("10.225.0.0/24");
                assert.equal(new Set(all.map((name) => book.addressOf(name))).size, members + web + 1);
            }),
        );
    });
});
