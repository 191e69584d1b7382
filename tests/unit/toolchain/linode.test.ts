import * as assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

import * as fc from "fast-check";

import { request } from "../../support/http";
import { linodeTypes, nodeBalancerTypes } from "../../support/linode/catalogue/types";
import { LinodeEmulator } from "../../support/linode/emulator";
import { describe as describeError } from "../../../toolchain/errors";
import { expiryWarning, hasExpired, nextLifetime, timeToLive } from "../../../toolchain/lifetime";
import { LinodeApi } from "../../../toolchain/linode/api";
import { accessFrom, missingScopes } from "../../../toolchain/linode/access";
import { linodeAdvice } from "../../../toolchain/linode/advice";
import { labelOf, tagsOf } from "../../../toolchain/linode/names";
import { charge, costOf, costTable } from "../../../toolchain/linode/prices";

/** The whole text of the error that a call ends with. */
async function failure(call: Promise<unknown>): Promise<string> {
    const answer = await call.then(
        () => assert.fail("the call succeeded"),
        (error: unknown) => error,
    );
    return describeError(answer);
}

describe("the Linode API from outside of Pulumi", () => {
    const emulator = new LinodeEmulator({ speed: 0 });
    let pauses: number[];
    const client = (token = emulator.token, url = emulator.url) =>
        new LinodeApi(accessFrom({ token, url }, {}), {
            pause: async (seconds: number) => void pauses.push(seconds),
            env: {},
        });

    before(() => emulator.start());
    beforeEach(() => {
        pauses = [];
        emulator.faults.clear();
    });
    after(() => emulator.stop());

    it("takes token and address from the stack's configuration first, then from the environment", () => {
        const env = { LINODE_TOKEN: "of-the-environment", LINODE_URL: "http://127.0.0.1:1" };
        assert.deepEqual(accessFrom({ token: "own", url: "http://127.0.0.1:2" }, env), {
            token: "own",
            url: "http://127.0.0.1:2",
            urlSetting: "linode:url",
        });
        assert.equal(accessFrom({}, env).token, "of-the-environment");
        assert.equal(accessFrom({}, env).urlSetting, "LINODE_URL");
        assert.equal(accessFrom({}, {}).url, "https://api.linode.com");
    });

    it("reads all pages of a list, and only what a filter lets through", async () => {
        const headers = { authorization: `Bearer ${emulator.token}` };
        for (let i = 0; i < 26; i++) {
            const answer = await request(`${emulator.url}/v4/domains`, {
                method: "POST",
                headers,
                body: { domain: `d${i}.example`, type: "master", soa_email: "a@example.org" },
            });
            assert.equal(answer.status, 200, answer.body);
        }
        const paged = new LinodeApi(accessFrom({ token: emulator.token, url: emulator.url }, {}), {
            pageSize: 25,
        });
        const domains = await paged.list<{ domain: string }>("domains");
        assert.equal(new Set(domains.map(({ domain }) => domain)).size, 26);
        assert.equal((await client().list("domains", { domain: "d1.example" })).length, 1);
    });

    it("comes back when the API asks for it, after as long as it says", async () => {
        emulator.faults.inject({ path: "/regions", times: 2 }, { kind: "tooManyRequests", retryAfter: 7 });
        emulator.faults.inject({ path: "/regions" }, { kind: "unavailable" });
        emulator.faults.inject({ path: "/regions" }, { kind: "cut", when: "before" });
        assert.ok((await client().list("regions")).length > 0);
        assert.deepEqual(pauses, [7, 7, 1, 1]);
        assert.equal(emulator.faults.pending, 0);
    });

    it("gives up on an API that is out of order, and says where to look", async () => {
        emulator.faults.inject({ path: "/regions", times: 99 }, { kind: "unavailable" });
        const said = await failure(client().list("regions"));
        assert.match(said, /answers 503 to regions.* again and again[^]*status\.linode\.com/);
    });

    it("says which setting is wrong when nothing answers there", async () => {
        const said = await failure(client("secret-token", "http://127.0.0.1:9").get("regions"));
        assert.match(
            said,
            /\(127\.0\.0\.1:9\) cannot be reached: .*ECONNREFUSED[^]*what to do: check linode:url/,
        );
        assert.doesNotMatch(said, /secret-token/);
        assert.match(
            await failure(Promise.resolve().then(() => client("t", "nowhere"))),
            /linode:url: nowhere/,
        );
    });

    it("does not take another server for the API", async () => {
        const other: Server = createServer((_, response) => response.end("<html>log in here</html>"));
        await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
        try {
            const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
            assert.match(await failure(client("t", url).get("regions")), /is not the Linode API: <html>/);
        } finally {
            other.close();
        }
    });

    it("names the token's setting and where to make one, without the token", async () => {
        for (const [token, says] of [
            [undefined, /linode:token: missing/],
            ["not-the-token", /linode:token: .*does not accept the token: Invalid Token/],
        ] as const) {
            const api = new LinodeApi(accessFrom({ token, url: emulator.url }, {}));
            const said = await failure(api.get("regions"));
            assert.match(said, says);
            assert.match(said, /cloud\.linode\.com\/profile\/tokens.*LINODE_TOKEN/);
            assert.doesNotMatch(said, /not-the-token/);
        }
    });

    it("knows from the answers what a token may do", async () => {
        const limited = new LinodeEmulator({ scopes: "linodes:read_only events:read_write" });
        await limited.start();
        try {
            const api = client(limited.token, limited.url);
            await api.list("linode/instances");
            const wanted = ["linodes:read_write", "events:read_only", "vpc:read_write"];
            assert.deepEqual(missingScopes(api.grantedScopes, wanted), [
                "linodes:read_write",
                "vpc:read_write",
            ]);
            assert.match(await failure(api.list("vpcs")), /not authorized to use this endpoint/);
        } finally {
            await limited.stop();
        }
        assert.deepEqual(missingScopes(undefined, ["vpc:read_write"]), [], "an API that does not say");
        assert.deepEqual(missingScopes(["*"], ["vpc:read_write"]), []);
    });
});

describe("Linode's list prices", () => {
    const lists = { types: linodeTypes, nodeBalancerTypes };
    const instances = [...Array(5).fill({ type: "g6-standard-1" }), { type: "g6-nanode-1" }];
    const plan = { region: "nl-ams", instances, nodeBalancers: 1, backups: false };

    it("adds up a cluster, kind by kind", () => {
        const cost = costOf(plan, lists);
        assert.deepEqual(cost.items, [
            { kind: "Linode 2GB (g6-standard-1)", count: 5, monthly: 60, hourly: 0.09 },
            { kind: "Nanode 1GB (g6-nanode-1)", count: 1, monthly: 5, hourly: 0.0075 },
            { kind: "NodeBalancer", count: 1, monthly: 10, hourly: 0.015 },
        ]);
        assert.deepEqual([cost.monthly, cost.hourly], [75, 0.1125]);
        assert.match(costTable(cost), /^ {2}sum +7 +\$75\.00 +\$0\.1125$/m);
    });

    it("counts backups, and what a region costs more", () => {
        const cost = costOf({ ...plan, backups: true, region: "id-cgk" }, lists);
        // A fifth more in Jakarta: 5 × (14.40 + 3) + (6 + 2.40) + 12.
        assert.equal(cost.monthly, 5 * (14.4 + 3) + (6 + 2.4) + 12);
    });

    it("charges begun hours, and at most the monthly price for a month", () => {
        const price = { monthly: 12, hourly: 0.018 };
        assert.equal(charge(price, 0.01), 0.018);
        assert.equal(charge(price, 1.5), 0.036);
        assert.equal(charge(price, 700), 12);
        assert.equal(charge(price, 730), 12);
        assert.ok(Math.abs(charge(price, 740) - (12 + 10 * 0.018)) < 1e-9);
        fc.assert(
            fc.property(
                fc.double({ min: 0, max: 5000, noNaN: true }),
                fc.double({ min: 0, max: 100, noNaN: true }),
                (hours, more) => {
                    assert.ok(
                        charge(price, hours + more) >= charge(price, hours) - 1e-9,
                        "it never gets cheaper",
                    );
                    assert.ok(charge(price, hours) <= (Math.floor(hours / 730) + 1) * 12 + 0.018 + 1e-9);
                },
            ),
        );
    });
});

describe("a stack's time to live", () => {
    const now = new Date("2026-11-21T12:00:00Z");

    it("is minutes, hours, days or weeks", () => {
        assert.equal(timeToLive("48h"), 48 * 3_600_000);
        assert.equal(timeToLive("7d"), timeToLive("1w"));
        assert.equal(timeToLive("90m"), 90 * 60_000);
        for (const wrong of ["", "0h", "7", "d", "1.5h", "7 d", undefined]) {
            assert.equal(timeToLive(wrong), undefined, String(wrong));
        }
    });

    it("begins with the first update, and ends where the setting says now", () => {
        const first = nextLifetime(undefined, "2d", now);
        assert.deepEqual(first, { created: now.toISOString(), expires: "2026-11-23T12:00:00.000Z" });
        const later = new Date("2026-11-22T00:00:00Z");
        assert.deepEqual(nextLifetime(first, "2d", later), first);
        assert.equal(nextLifetime(first, "7d", later).expires, "2026-11-28T12:00:00.000Z");
        assert.deepEqual(nextLifetime(first, undefined, later), { created: first.created });
        assert.deepEqual(nextLifetime({ created: "nonsense" }, undefined, now), {
            created: now.toISOString(),
        });
    });

    it("warns when it is over, with both ways out", () => {
        const lifetime = nextLifetime(undefined, "2d", now);
        assert.equal(expiryWarning("demo", lifetime, new Date("2026-11-23T11:59:59Z")), undefined);
        const after = new Date("2026-11-24T13:00:00Z");
        assert.ok(hasExpired(lifetime, after));
        assert.match(
            expiryWarning("demo", lifetime, after) ?? "",
            /stack demo ended 1 day ago.*"make down STACK=demo".*gatehouse:linode\.ttl.*"make up STACK=demo"/,
        );
        assert.equal(hasExpired({ created: now.toISOString() }, after), false, "without an end");
    });
});

describe("the names of a stack's things at Linode", () => {
    it("fit, and differ where the stacks differ", () => {
        assert.equal(labelOf("gatehouse", "prod", "firewall", "server-1"), "gatehouse-prod-server-1");
        assert.deepEqual(tagsOf("gatehouse", "Prod"), ["gatehouse", "gatehouse:prod"]);
        const long = labelOf("gatehouse", "x".repeat(40), "firewall", "server-1");
        assert.equal(long.length, 32);
        assert.notEqual(long, labelOf("gatehouse", "x".repeat(40), "firewall", "server-2"));
    });
});

describe("advice on what the API refuses", () => {
    const urn = "urn:pulumi:prod::gatehouse::linode:index/instance:Instance::server-1";
    const cases: [reason: string, says: RegExp][] = [
        ["Account Limit reached. Please open a support ticket.", /^gatehouse:servers\.count.*support ticket/],
        [
            "The Linode plan you chose is not currently available in the selected region. Please select another region or plan type, or contact Support for assistance.",
            /^gatehouse:linode\.type, gatehouse:linode\.region: the plan is sold out/,
        ],
        ["label: Label must be unique among your linodes", /^STACK: .*"make down STACK=prod FORCE=1"/],
        ["Invalid Token", /^linode:token: .*profile\/tokens/],
        ["Your OAuth token is not authorized to use this endpoint.", /^linode:token:/],
        ["region: There are 10 VPCs in this region already", /^gatehouse:linode\.region: remove a VPC/],
        ["Too many requests", /^the API: .*"make up STACK=prod"/],
    ];
    for (const [reason, says] of cases) {
        it(reason.slice(0, 60), () => {
            const advice = linodeAdvice([`${urn}: creating failed: ${reason}`, `${urn}: ${reason}`], "prod");
            assert.equal(advice.length, 1, advice.join("\n"));
            assert.match(advice[0]!, says);
        });
    }

    it("is not given on what other providers or unknown reasons say", () => {
        assert.deepEqual(
            linodeAdvice(["urn:pulumi:prod::gatehouse::nomad:index/job:Job::x: invalid token"], "p"),
            [],
        );
        assert.deepEqual(linodeAdvice([`${urn}: something else`], "prod"), []);
    });
});
