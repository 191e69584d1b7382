import * as assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import * as path from "node:path";

import { parse } from "yaml";

import { askApi, type LinodePlan, planProblems } from "../../../../components/machines/linode/preflight";
import { parseConfig } from "../../../../config";
import { planOf } from "../../../../labs/linode";
import { LinodeApi } from "../../../../toolchain/linode/api";
import { accessFrom } from "../../../../toolchain/linode/access";
import { costOf } from "../../../../toolchain/linode/prices";
import { root } from "../../../support/command";
import { request } from "../../../support/http";
import { linodeTypes, nodeBalancerTypes } from "../../../support/linode/catalogue/types";
import { LinodeEmulator } from "../../../support/linode/emulator";

const plan: LinodePlan = {
    region: "nl-ams",
    image: "linode/debian12",
    instances: [
        { label: "gatehouse-prod-server-1", type: "g6-standard-1" },
        { label: "gatehouse-prod-registry", type: "g6-nanode-1" },
    ],
    nodeBalancers: 1,
    backups: true,
    apart: 3,
    tag: "gatehouse:prod",
};

describe("what is asked of Linode before anything is made", () => {
    const emulator = new LinodeEmulator({
        speed: 0,
        soldOut: ["nl-ams/g6-standard-2", "nl-ams/g6-standard-4"],
    });
    before(() => emulator.start());
    after(() => emulator.stop());

    async function problems(changes: Partial<LinodePlan>, by = emulator): Promise<string[]> {
        const api = new LinodeApi(accessFrom({ token: by.token, url: by.url }, {}));
        const changed = { ...plan, ...changes };
        return planProblems(changed, await askApi(api, changed)).map(
            ({ path, message }) => `${path}: ${message}`,
        );
    }

    it("is fine where everything can be had, and takes few requests", async () => {
        emulator.log.clear();
        assert.deepEqual(await problems({}), []);
        assert.ok(emulator.log.total <= 6, JSON.stringify(emulator.log.counts()));
    });

    const cases: { title: string; changes: Partial<LinodePlan>; says: RegExp[] }[] = [
        {
            title: "a region with a slip of the pen",
            changes: { region: "nl-asm" },
            says: [/^linode\.region: there is no region nl-asm; did you mean nl-ams\?$/],
        },
        {
            title: "a region that is nothing like one",
            changes: { region: "atlantis" },
            says: [/^linode\.region: there is no region atlantis; choose one such as /],
        },
        {
            title: "a region without what the plan needs",
            changes: { region: "us-west" },
            says: [
                /^linode\.region: us-west has no VPCs, no Metadata, no Placement Group; choose one .*us-east/,
            ],
        },
        {
            title: "a type that does not exist",
            changes: { instances: [{ label: "x", type: "g6-standard-3" }] },
            says: [/^linode\.type: there is no type g6-standard-3; did you mean g6-standard-/],
        },
        {
            title: "a type that is sold out",
            changes: { instances: [{ label: "x", type: "g6-standard-2" }] },
            says: [
                /^linode\.type: g6-standard-2 cannot be had in nl-ams now; choose another, such as g6-dedicated-2/,
            ],
        },
        {
            title: "an image that does not exist",
            changes: { image: "linode/debian21" },
            says: [/^linode\.image: there is no image linode\/debian21; did you mean .*linode\/debian1/],
        },
        {
            title: "an image without cloud-init",
            changes: { image: "linode/alpine3.20" },
            says: [/^linode\.image: cloud-init does not run in linode\/alpine3\.20/],
        },
        {
            title: "a domain that the account has not",
            changes: { domain: "nowhere.example" },
            says: [/^linode\.dns\.domain: the account has no domain nowhere\.example/],
        },
        {
            title: "more servers than a placement group takes",
            changes: { apart: 7 },
            says: [/^linode\.placementGroup: a placement group in nl-ams takes 5 machines, and there are 7/],
        },
        {
            title: "everything at once",
            changes: { region: "us-west", image: "linode/none", instances: [{ label: "x", type: "none" }] },
            says: [/^linode\.region/, /^linode\.type/, /^linode\.image/],
        },
    ];
    for (const { title, changes, says } of cases) {
        it(`refuses ${title}`, async () => {
            const found = await problems(changes);
            assert.equal(found.length, says.length, found.join("\n"));
            says.forEach((pattern, i) => assert.match(found[i]!, pattern));
        });
    }

    it("refuses a name that somebody else's instance has, and no other stack's", async () => {
        for (const [label, tags] of [
            ["gatehouse-prod-server-1", ["web"]],
            ["gatehouse-prod-registry", ["gatehouse:prod"]],
            ["gatehouse-prod-2-server-1", ["gatehouse:prod-2"]],
        ] as const) {
            const answer = await request(`${emulator.url}/v4/linode/instances`, {
                method: "POST",
                headers: { authorization: `Bearer ${emulator.token}` },
                body: { label, tags, region: "nl-ams", type: "g6-nanode-1" },
            });
            assert.equal(answer.status, 200, answer.body);
        }
        const found = await problems({});
        assert.equal(found.length, 1, found.join("\n"));
        assert.match(
            found[0]!,
            /^linode: the account has an instance named gatehouse-prod-server-1.*rename it/,
        );
    });

    it("lets machines be that exist, whatever has become of their type and image", async () => {
        const label = "gatehouse-old-server-1";
        const instances = [{ label, type: "g6-standard-2" }];
        const changes = { instances, image: "linode/debian9", tag: "gatehouse:old" };
        assert.equal((await problems(changes)).length, 2);
        // Made when its plan could be had.
        emulator.soldOut.delete("nl-ams/g6-standard-2");
        const answer = await request(`${emulator.url}/v4/linode/instances`, {
            method: "POST",
            headers: { authorization: `Bearer ${emulator.token}` },
            body: { label, tags: ["gatehouse:old"], region: "nl-ams", type: "g6-standard-2" },
        });
        assert.equal(answer.status, 200, answer.body);
        emulator.soldOut.add("nl-ams/g6-standard-2");
        assert.deepEqual(await problems(changes), []);
        const bigger = [...instances, { label: "gatehouse-old-server-2", type: "g6-standard-2" }];
        assert.equal((await problems({ ...changes, instances: bigger })).length, 2);
    });

    it("refuses a token that may not do what the plan needs", async () => {
        const scopes = "linodes:read_write firewall:read_write events:read_only vpc:read_only";
        const limited = new LinodeEmulator({ scopes });
        await limited.start();
        try {
            const found = await problems({}, limited);
            assert.match(
                found.join("\n"),
                /^linode:token: the token lacks vpc:read_write, nodebalancers:read_write; make/,
            );
        } finally {
            await limited.stop();
        }
    });

    it("follows from the settings: every machine, the registry's own, and what stands in front", () => {
        const config = parseConfig({
            lab: "nomad",
            substrate: "linode",
            servers: '{"count":3}',
            clients: '{"count":2}',
            linode: '{"nodeBalancer":true}',
        });
        assert.ok(config.lab === "nomad");
        const { instances, nodeBalancers, apart, tag } = planOf(config, "gatehouse", "Prod");
        assert.deepEqual(
            instances.map(({ label, type }) => `${label} ${type}`),
            [
                ...["server-1", "server-2", "server-3", "client-1", "client-2"].map(
                    (name) => `gatehouse-Prod-${name} g6-standard-1`,
                ),
                "gatehouse-Prod-registry g6-nanode-1",
            ],
        );
        assert.deepEqual([nodeBalancers, apart, tag], [1, 3, "gatehouse:prod"]);
    });

    it("costs what the README says", () => {
        const file = readFileSync(path.join(root, "Pulumi.linode.yaml"), "utf8");
        const { config } = parse(file) as { config: Record<string, unknown> };
        const raw = Object.entries(config).map(([key, value]) => [
            key.replace("gatehouse:", ""),
            typeof value === "string" ? value : JSON.stringify(value),
        ]);
        const settings = parseConfig(Object.fromEntries(raw));
        assert.ok(settings.lab === "nomad");
        const cost = costOf(planOf(settings, "gatehouse", "linode"), {
            types: linodeTypes,
            nodeBalancerTypes,
        });
        const readme = readFileSync(path.join(root, "README.md"), "utf8");
        for (const { count, monthly, hourly } of [...cost.items, { ...cost, count: 7 }]) {
            const row = new RegExp(
                `\\| ${count} \\| \\W*${monthly.toFixed(2)}\\W* \\| \\W*${hourly.toFixed(4)}\\W* \\|`,
            );
            assert.match(readme, row);
        }
    });

    it("has the prices of the region", async () => {
        const api = new LinodeApi(accessFrom({ token: emulator.token, url: emulator.url }, {}));
        const cost = costOf(plan, await askApi(api, plan));
        assert.equal(cost.monthly, 12 + 5 + 2.5 + 2 + 10);
    });
});
