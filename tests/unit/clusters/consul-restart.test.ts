import * as assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { recentSnapshots } from "../../../components/clusters/consul-agent";
import { freePorts } from "../../../snapshots/free-ports";
import { type Agent, launch } from "../../support/agents";
import { eventually } from "../../support/poll";

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
        const rounds = 150;
        for (let round = 0; round < rounds; round += 1) {
            await put("register", { ID: `web-${round}`, Name: "web", Port: 20_000 + round });
            await (round > 0 && put(`deregister/web-${round - 1}`));
        }
        await eventually(
            "there is a recent snapshot",
            () => {
                const newest = readdirSync(join(data, "raft/snapshots")).sort().at(-1);
                assert.ok(
                    newest !== undefined && Number(newest.split("-")[1]) > 2 * rounds,
                    `it is ${newest}`,
                );
                return Promise.resolve();
            },
            { within: 40 },
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

    async function portsOfWeb(): Promise<string> {
        const answer = await fetch(`${agent.address}/v1/health/service/web?passing&stale`);
        assert.equal(answer.status, 200);
        const found = (await answer.json()) as { Service: { Port: number } }[];
        return found.map(({ Service }) => Service.Port).join();
    }
});
