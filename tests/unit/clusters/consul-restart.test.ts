import * as assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { recentSnapshots } from "../../../components/clusters/consul-agent";
import { freePorts } from "../../../snapshots/free-ports";
import { type Agent, launch } from "../../support/agents";
import { eventually } from "../../support/poll";

const { raft_snapshot_threshold } = recentSnapshots;

describe("a lone Consul server that starts again", function () {
    this.timeout("3m");
    let agent: Agent;
    let data: string;
    before(async () => {
        const names = ["http", "server", "serf_lan"];
        const free = await freePorts(names.length);
        const ports = Object.fromEntries(names.map((name, index) => [name, free[index]!]));
        const address = `http://127.0.0.1:${ports["http"]}`;
        agent = await launch(
            "consul",
            ports,
            address,
            (folder) => {
                data = join(folder, "data");
                const configuration = {
                    server: true,
                    bootstrap_expect: 1,
                    bind_addr: "127.0.0.1",
                    data_dir: data,
                    disable_update_check: true,
                    log_level: "WARN",
                    ports: { ...ports, dns: -1, grpc: -1, grpc_tls: -1, serf_wan: -1 },
                    ...recentSnapshots,
                };
                writeFileSync(join(folder, "consul.json"), JSON.stringify(configuration));
                return ["agent", "-config-file", join(folder, "consul.json")];
            },
            async () => {
                const leader = await (await fetch(`${address}/v1/status/leader`)).text();
                assert.match(leader, /"127/);
            },
        );
    });
    after(() => agent?.stop());

    it("names nobody who has gone", async () => {
        const put = async (path: string, body?: object) => {
            const answer = await fetch(`${agent.address}/v1/agent/service/${path}`, {
                method: "PUT",
                body: body && JSON.stringify(body),
            });
            assert.equal(answer.status, 200, await answer.text());
        };
        let rounds = 0;
        const change = async (count: number): Promise<void> => {
            for (const end = rounds + count; rounds < end; rounds += 1) {
                await put("register", { ID: `web-${rounds}`, Name: "web", Port: 20_000 + rounds });
                await (rounds > 0 && put(`deregister/web-${rounds - 1}`));
            }
        };
        const catalogued = async (): Promise<void> =>
            assert.equal(await portsOfWeb(), String(20_000 + rounds - 1));
        await change(150);
        await eventually(
            "there is a snapshot of all changes",
            async () => {
                await eventually("the catalogue has the last one", catalogued);
                const last = await indexOfWeb();
                try {
                    await eventually("the snapshot is recent", () => assert.ok(newestSnapshot() >= last), {
                        within: 15,
                    });
                } catch (error) {
                    // One came while changes were made, and those that are left are too few for another.
                    await change(raft_snapshot_threshold);
                    throw error;
                }
            },
            { within: 120 },
        );

        const seen = new Set<string>();
        let looking = true;
        const looks = (async () => {
            while (looking) {
                const ports = await portsOfWeb().catch(() => undefined);
                if (ports !== undefined) {
                    seen.add(ports);
                }
            }
        })();
        await agent.restart();
        await eventually("it answers", portsOfWeb);
        looking = false;
        await looks;
        assert.deepEqual([...seen], [String(20_000 + rounds - 1)]);
    });

    function askForWeb(): Promise<Response> {
        return fetch(`${agent.address}/v1/health/service/web?passing&stale`);
    }

    /** Of the Raft entry with the last change. */
    async function indexOfWeb(): Promise<number> {
        return Number((await askForWeb()).headers.get("X-Consul-Index"));
    }

    /** The index of the last Raft entry in it; 0 without one. */
    function newestSnapshot(): number {
        const whole = readdirSync(join(data, "raft/snapshots")).filter((name) => !name.endsWith(".tmp"));
        return Math.max(0, ...whole.map((name) => Number(name.split("-")[1])));
    }

    async function portsOfWeb(): Promise<string> {
        const answer = await askForWeb();
        assert.equal(answer.status, 200);
        const found = (await answer.json()) as { Service: { Port: number } }[];
        return found.map(({ Service }) => Service.Port).join();
    }
});
