import * as assert from "node:assert/strict";

import { parseConfig } from "../../config";
import { formatProblems } from "../../config-errors";
import { unsafeChanges } from "../../labs/cluster-changes";
import { nextRotations } from "../../labs/rotations";
import { summariseCluster } from "../../labs/routed-changes";

/** What going from the one to the other is refused with, by setting; `last` are settings, too. */
function refusals(
    last: Record<string, unknown>,
    next: Record<string, unknown>,
    stack = "routed",
): Record<string, string> {
    const before = configOf(last);
    assert.ok(before.lab === "routed");
    const problems = unsafeChanges(
        summariseCluster(before, "routed", nextRotations(undefined, before).rotations),
        configOf(next),
        stack,
    );
    return Object.fromEntries(problems.map(({ path, message }) => [path, message]));
}

function configOf(settings: Record<string, unknown>) {
    const raw = Object.entries({ lab: "routed", ...settings });
    return parseConfig(
        Object.fromEntries(
            raw.map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)]),
        ),
    );
}

const servers = (count: number) => ({ servers: { count } });

describe("changes of a routed cluster", () => {
    const table: { from: number; to: number; said?: RegExp }[] = [
        { from: 1, to: 1 },
        { from: 1, to: 3 },
        { from: 1, to: 7 },
        { from: 3, to: 3 },
        { from: 3, to: 5 },
        { from: 5, to: 3 },
        { from: 5, to: 7 },
        { from: 7, to: 5 },
        {
            from: 3,
            to: 1,
            said: /^1 keeps 1 of the cluster's 3 servers, and fewer than 2 are no quorum; .*a new stack with servers\.count 1.*or run make down STACK=routed first/,
        },
        { from: 5, to: 1, said: /^1 keeps 1 of the cluster's 5 servers, .*no safe steps lead from \d to 1/ },
        { from: 7, to: 1, said: /^1 keeps 1 of the cluster's 7 servers, .*no safe steps lead from \d to 1/ },
        {
            from: 7,
            to: 3,
            said: /^3 keeps 3 of the cluster's 7 servers, and fewer than 4 are no quorum; go step by step, each with an up: 5, then 3$/,
        },
    ];
    for (const { from, to, said } of table) {
        it(`${said ? "refuse" : "allow"} ${to} servers where there were ${from}`, () => {
            const found = refusals(servers(from), servers(to));
            assert.deepEqual(Object.keys(found), said ? ["servers.count"] : []);
            if (said) {
                assert.match(found["servers.count"]!, said);
            }
        });
    }

    it("refuse another datacenter, network or name of the stack, with what would come of it", () => {
        const { datacenter } = refusals({}, { datacenter: "paris" });
        assert.match(
            datacenter!,
            /^paris, but the cluster is the datacenter dc1, .*set it back to dc1, make a second stack.*make down/,
        );
        const { "network.subnet": subnet } = refusals({}, { network: { subnet: "10.9.0.0/24" } });
        assert.match(
            subnet!,
            /^10\.9\.0\.0\/24, but the machines are in 10\.218\.0\.0\/24, .*all of them at once; set it back/,
        );
        const { network } = refusals({}, {}, "renamed");
        assert.match(network!, /pulumi stack rename routed\b.*make down STACK=renamed/);
    });

    it("refuse rotations that leave nodes behind, in any version of the lab", () => {
        const jump = { tokens: { rotation: 3 } };
        assert.match(refusals({}, jump)["tokens.rotation"]!, /one by one, each with an up, 2 first$/);
        assert.deepEqual(refusals({}, { tokens: { rotation: 2 } }), {});
        const [problem] = unsafeChanges({ servers: ["server-1"] }, configOf(jump), "routed");
        assert.equal(problem?.path, "tokens.rotation");
    });

    it("refuse another lab in the cluster's place", () => {
        const { lab } = refusals({}, { lab: "sticky" });
        assert.match(lab!, /^sticky, but the stack is the lab routed: .*another stack for the lab sticky/);
    });

    it("refuse older versions than those that run", () => {
        const newer = { versions: { consul: "98.1.0", nomad: "98.1.0" } };
        const found = refusals(newer, { versions: { consul: "98.0.9", nomad: "98.1.1" } });
        assert.deepEqual(Object.keys(found), ["versions.consul"]);
        assert.match(found["versions.consul"]!, /^98\.0\.9 is older than 98\.1\.0, .*make a new stack/);
        // Outputs of a lab that did not say it yet.
        assert.deepEqual(unsafeChanges({ datacenter: "dc1" }, configOf(newer), "routed"), []);
    });

    it("allow everything else", () => {
        const next = {
            pools: { default: { count: 1 }, gpu: { count: 1 } },
            certificates: { rotation: 2 },
            ports: { consul: 9999, ssh: 30000 },
        };
        assert.deepEqual(refusals({}, next), {});
        assert.deepEqual(refusals(next, {}), {});
        const rotated = { tokens: { rotation: 2 }, gossip: { rotation: 2 }, certificates: { caRotation: 2 } };
        assert.deepEqual(refusals({}, rotated), {});
    });

    it("are refused together, in the form of all refusals", () => {
        const found = refusals({}, { ...servers(1), datacenter: "paris" });
        assert.deepEqual(Object.keys(found), ["servers.count", "datacenter"]);
        const text = formatProblems(Object.entries(found).map(([path, message]) => ({ path, message })));
        assert.match(text, /^The stack's configuration has 2 settings to correct; nothing was changed:\n/);
        assert.match(text, /^ {2}gatehouse:servers\.count: 1 keeps/m);
    });

    it("are nobody's business before there is a cluster", () => {
        assert.deepEqual(unsafeChanges(undefined, configOf(servers(1)), "routed"), []);
        assert.deepEqual(unsafeChanges(undefined, configOf({ lab: "sticky" }), "routed"), []);
    });

    it("are judged by what an earlier version of the lab has said of its cluster", () => {
        const last = { servers: ["server-1", "server-2", "server-3"] };
        const problems = unsafeChanges(last, configOf({ ...servers(1), datacenter: "paris" }), "routed");
        assert.deepEqual(
            problems.map(({ path }) => path),
            ["servers.count"],
        );
    });

    it("do not lose what an update had that was interrupted on its way", () => {
        // Outputs are those of the update before: three, while up to five are there.
        assert.deepEqual(refusals(servers(3), servers(5)), {}, "on");
        assert.deepEqual(refusals(servers(3), servers(3)), {}, "back");
        assert.deepEqual(refusals(servers(5), servers(3)), {}, "on, with fewer");
        assert.deepEqual(refusals(servers(5), servers(5)), {}, "back to more");
    });
});
