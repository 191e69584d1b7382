import * as assert from "node:assert/strict";

import { type Expected, missing, type Seen, wanted } from "../../../drills/health";

const expected: Expected = {
    servers: ["server-1", "server-2", "server-3"],
    clients: ["client-1"],
    routed: { helloworld: 2 },
    jobs: { helloworld: { helloworld: 2, hidden: 1 } },
};

function well(): Seen {
    const servers = (region: string) =>
        expected.servers.map((name) => ({
            Name: `${name}${region}`,
            Healthy: true,
            Voter: true,
            SerfStatus: "alive",
        }));
    const summary = { helloworld: { Running: 2 }, hidden: { Running: 1 } };
    return {
        consul: { Healthy: true, Servers: servers("") },
        nomad: { Healthy: true, Servers: servers(".global") },
        dead: [],
        nodes: [
            { ID: "1", Name: "client-1", Status: "down", SchedulingEligibility: "ineligible", Drain: false },
            { ID: "2", Name: "client-1", Status: "ready", SchedulingEligibility: "eligible", Drain: false },
        ],
        jobs: [{ ID: "helloworld", Type: "service", Stop: false, JobSummary: { Summary: summary } }],
        passing: { helloworld: 2 },
    };
}

/** What is missing when one thing is changed. */
function after(change: (seen: Seen) => void): string {
    const seen = well();
    change(seen);
    return missing(expected, seen).join("\n");
}

describe("drills: health", () => {
    it("misses nothing where everything is there", () => {
        assert.deepEqual(missing(expected, well()), []);
    });

    it("names what is missing", () => {
        assert.match(
            after((seen) => (seen.consul = { Healthy: false, Servers: null })),
            /Consul has lost server-1[^]*server-3/,
        );
        assert.match(
            after((seen) => (seen.nomad.Servers![1]!.Voter = false)),
            /Nomad on server-2 does not vote/,
        );
        const unwell = after((seen) => {
            seen.consul.Healthy = false;
            Object.assign(seen.consul.Servers![2]!, { Healthy: false, SerfStatus: "failed" });
        });
        assert.equal(unwell, "Consul on server-3 is not healthy (failed)");
        assert.match(
            after((seen) => (seen.nomad.Healthy = false)),
            /Nomad's Autopilot is not satisfied/,
        );
        assert.match(
            after((seen) => seen.consul.Servers!.push({ ...seen.consul.Servers![0]!, Name: "server-4" })),
            /a server too many: server-4/,
        );
        assert.match(
            after((seen) => (seen.dead = ["client-1"])),
            /Consul's agent on client-1/,
        );
        assert.match(
            after((seen) => seen.nodes.pop()),
            /client-1 is not ready/,
        );
        assert.match(
            after((seen) => (seen.nodes[1]!.Drain = true)),
            /client-1 drains/,
        );
        assert.match(
            after((seen) => (seen.nodes[1]!.SchedulingEligibility = "ineligible")),
            /client-1 is not eligible/,
        );
        assert.match(
            after((seen) => (seen.jobs = [])),
            /0 of 2 allocations of helloworld\/helloworld run\n0 of 1 allocations of helloworld\/hidden run/,
        );
        assert.match(
            after((seen) => (seen.passing = { helloworld: 1 })),
            /1 of 2 instances of helloworld pass/,
        );
    });

    it("takes what ought to run and what is routed from the jobs", () => {
        const service = (Name: string, ...Tags: string[]) => ({ Name, Tags });
        const jobs = {
            web: {
                TaskGroups: [
                    { Name: "a", Count: 2, Services: [service("web", "routed", "x")], Tasks: [] },
                    {
                        Name: "b",
                        Count: 1,
                        Services: null,
                        Tasks: [{ Services: [service("web", "routed"), service("hidden")] }],
                    },
                ],
            },
        };
        assert.deepEqual(wanted(jobs), { jobs: { web: { a: 2, b: 1 } }, routed: { web: 3 } });
    });
});
