import * as assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";

import { request } from "../../support/http";
import { clients, lab, machines, servers } from "../../support/routed-lab";
import { eventually } from "../../support/poll";
import type { NetworkLoadReport } from "../../support/network-load";

/** No request has failed, and no balancer has closed its port. */
function nothingFailed(report: NetworkLoadReport): void {
    assert.ok(report.requests > 100, `only ${report.requests} requests were made`);
    assert.equal(report.failed, 0, JSON.stringify(report));
    assert.deepEqual(report.elsewhere, {}, JSON.stringify(report));
}

describe("routed lab: changes under load that replace no machine", function () {
    this.timeout("30m");

    before("bring it up", () => lab.ensureUp());

    const five = [...servers, "server-4", "server-5"];

    /** What the mesh's dashboard says about its API. */
    async function dashboardSays(pattern: RegExp): Promise<void> {
        await eventually(
            `the dashboard says ${pattern.source}`,
            async () => assert.match((await request(`${lab.url("dashboard")}/state`)).body, pattern),
            { within: 45 },
        );
    }

    it("takes in two servers and a client, and cuts the dashboard off", async () => {
        await dashboardSays(/"reachable": ?true/);
        const before = await lab.identities(machines);
        nothingFailed(
            await lab.underLoad(machines, () =>
                lab.change({
                    servers: { count: 5 },
                    pools: { default: { count: 3 } },
                    countdash: { intention: "deny" },
                }),
            ),
        );
        assert.deepEqual(await lab.identities(machines), before, "no other machine or agent is touched");
        for (const api of ["consul", "nomad"] as const) {
            assert.deepEqual((await lab.raft(api)).voters, five, api);
        }
        for (const name of ["server-5", "client-3"]) {
            await lab.reaches(name, "helloworld");
        }
    });

    it("refuses a call that no intention allows", () => dashboardSays(/"reachable": ?false/));

    it("lets them go again, and allows the call", async () => {
        const before = await lab.identities(machines);
        nothingFailed(
            await lab.underLoad(machines, () =>
                lab.change({ servers: undefined, pools: undefined, countdash: undefined }),
            ),
        );
        assert.deepEqual(await lab.identities(machines), before, "no other machine or agent is touched");
        // An agent that leaves waits for the end of its vote, but not for ever.
        for (const api of ["consul", "nomad"] as const) {
            await eventually(`${api}'s former servers have no vote`, async () =>
                assert.deepEqual((await lab.raft(api)).voters, servers),
            );
        }
        await dashboardSays(/"reachable": ?true/);
    });

    it("hears of instances in another way, and in the first one again, without a restart", async () => {
        const before = await lab.identities(machines);
        const balancers = (): Promise<string[]> =>
            Promise.all(
                machines.map((machine) =>
                    lab.on(machine, "systemctl", "show", "haproxy", "--property=MainPID", "--value"),
                ),
            );
        const running = await balancers();
        for (const discovery of ["template", undefined]) {
            nothingFailed(await lab.underLoad(machines, () => lab.change({ discovery })));
            for (const machine of machines) {
                const configuration = await lab.on(machine, "cat", "/run/haproxy/haproxy.cfg");
                assert.equal(configuration.includes("lua-load"), discovery === undefined, machine);
                await eventually(`${machine} knows helloworld's instances`, async () =>
                    assert.equal((await lab.balanced(machine, "helloworld")).length, 2),
                );
            }
        }
        assert.deepEqual(await balancers(), running);
        assert.deepEqual(await lab.identities(machines), before, "no machine or agent is touched");
    });

    it("rolls out new certificates, CAs, tokens and gossip keys", async () => {
        const before = await Promise.all(machines.map((machine) => lab.made(machine)));
        const ring = (): Promise<string> => lab.on("server-2", "cat", "/var/lib/consul/serf/local.keyring");
        const certificate = (): Promise<string> => lab.on("client-1", "cat", "/etc/nomad.d/tls/agent.pem");
        const tokens = (): Promise<string> => lab.on("client-1", "cat", "/etc/nomad.d/consul.json");
        const old = [await ring(), await certificate(), await tokens()];
        const operator = lab.environment("GATEHOUSE_CONSUL_OPERATOR_TOKEN");
        const next = {
            certificates: { rotation: 2, caRotation: 2 },
            tokens: { rotation: 2 },
            gossip: { rotation: 2 },
        };
        // The CAs take three updates: all believe both, the new one signs, the old one is forgotten.
        for (let step = 1; step <= 3; step += 1) {
            nothingFailed(await lab.underLoad(machines, () => lab.change(next)));
        }
        const now = [await ring(), await certificate(), await tokens()];
        now.forEach((each, index) => assert.notEqual(each, old[index]));
        assert.equal((JSON.parse(now[0]!) as string[]).length, 1, "the old key is forgotten");
        assert.match(new X509Certificate(now[1]!).issuer, /Gatehouse nomad/);
        const answer = await lab.operators("consul", "/v1/agent/self", {
            ...lab.password,
            "x-consul-token": operator,
        });
        assert.equal(answer.status, 403, "the old token is worth nothing");
        assert.deepEqual(await Promise.all(machines.map((machine) => lab.made(machine))), before);
        await lab.stack.previewsNothing();
    });

    it("has nobody left that failed", async () => {
        await eventually("Consul's members are alive, or have left", async () => {
            const all = Object.entries(await lab.members());
            const others = all.filter(([name, status]) => !machines.includes(name) && status !== "left");
            assert.deepEqual(others, []);
            assert.deepEqual(
                all
                    .filter(([, status]) => status === "alive")
                    .map(([name]) => name)
                    .sort(),
                [...clients, ...servers],
            );
        });
        await eventually(
            "Nomad's servers are alive, or have left",
            async () => {
                const { Members } = await lab.api<{ Members: { Name: string; Status: string }[] }>(
                    "nomad",
                    "/v1/agent/members",
                );
                assert.deepEqual(
                    Members.filter(({ Status }) => Status !== "left")
                        .map(({ Name, Status }) => `${Name} ${Status}`)
                        .sort(),
                    servers.map((name) => `${name}.global alive`),
                );
            },
            // A server that is gone is noticed after half a minute, and then removed when Autopilot looks again.
            { within: 120 },
        );
        const nodes = await lab.api<{ Name: string; Status: string }[]>("nomad", "/v1/nodes");
        assert.deepEqual(
            nodes.map(({ Name, Status }) => `${Name} ${Status}`).sort(),
            clients.map((name) => `${name} ready`),
        );
    });
});
