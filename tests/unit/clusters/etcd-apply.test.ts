import * as assert from "node:assert/strict";

import type { ConfigureReport } from "../../../components/clusters/configure";
import type { NodeConfiguration } from "../../../components/clusters/node-files";
import type { EtcdRollArgs } from "../../../components/clusters/node-script";
import { findTool } from "../../support/agents";
import type { CommandResult } from "../../support/command";
import { docker } from "../../support/docker";
import { ApplyMachine } from "./apply-machine";

const endpoint = "http://127.0.0.1:2379";

function reportOf(result: CommandResult): ConfigureReport {
    assert.equal(result.code, 0, result.output);
    return JSON.parse(result.stdout) as ConfigureReport;
}

/** An etcd of one member, and a unit beside it. */
function configuration(level: string, word: string): NodeConfiguration {
    return {
        files: [
            {
                path: "/etc/systemd/system/etcd.service",
                content: `[Service]\nType=notify\nExecStart=etcd --name=server-1 --data-dir=/var/lib/etcd --log-level=${level}\nStateDirectory=etcd\nRestart=always\nRestartSec=100ms\n`,
                mode: "0644",
                owner: "root:root",
                unit: { name: "etcd.service", change: "restart" },
            },
            {
                path: "/etc/systemd/system/web@.service",
                content: `[Service]\nExecStart=sh -c 'echo ${word} %i; exec sleep infinity'\n`,
                mode: "0644",
                owner: "root:root",
                unit: { name: "web@1.service", change: "restart" },
            },
        ],
        units: [
            { name: "etcd.service", healthy: ["curl", "-fs", `${endpoint}/health`] },
            { name: "web@1.service" },
        ],
    };
}

describe("a node of an etcd cluster on a real machine", function () {
    this.timeout(180_000);
    let machine: ApplyMachine;
    before(async () => {
        machine = await ApplyMachine.boot(`gatehouse-etcd-apply-test-${process.pid}`);
        await docker("cp", findTool("etcd"), `${machine.name}:/usr/local/bin/etcd`);
    });
    after(() => machine?.remove());

    const etcd = {
        endpoints: [endpoint],
        caFile: "",
        certificateFile: "",
        keyFile: "",
        user: "",
        password: "",
    };
    const member: EtcdRollArgs = { role: "server", timeout: 20, grace: 2, etcd };
    const client: EtcdRollArgs = { ...member, role: "client" };
    const standing = (what: string) =>
        machine.inside("sh", "-c", `echo '{"standing": "${what}"}' > /var/lib/gatehouse/member.json`);

    it("takes the turn for a change when it is a member, and gives it back when all is well", async () => {
        // A machine that has nothing to lose does not ask.
        const first = reportOf(await machine.apply(configuration("warn", "one"), member, [endpoint]));
        assert.deepEqual([first.waited, first.restarted], [undefined, ["etcd.service", "web@1.service"]]);
        await standing("member");
        const result = await machine.apply(configuration("error", "one"), member, [endpoint]);
        const report = reportOf(result);
        assert.deepEqual(report.restarted, ["etcd.service"]);
        assert.ok(report.waited !== undefined && report.waited < 5, result.stdout);
        assert.match(report.note!, /only server: the service is interrupted/);
        assert.match(result.stdout, /"turn": "given back"/);
    });

    it("needs no turn to mend a member that does not run", async () => {
        await machine.inside("systemctl", "stop", "etcd.service");
        const report = reportOf(await machine.apply(configuration("error", "one"), member, [endpoint]));
        assert.match(report.note!, /etcd does not answer here: this node is no working member/);
        assert.deepEqual(report.restarted, ["etcd.service"]);
    });

    it("takes the turn for a client's change, and lets its units go with it", async () => {
        const result = await machine.apply(configuration("error", "two"), client, [endpoint]);
        assert.deepEqual(reportOf(result).restarted, ["web@1.service"]);
        assert.match(result.stdout, /"turn": "given back"/);

        const frontends = ["web@1.service"];
        const gone = await machine.script("let-go.py", client, { frontends }, [endpoint]);
        assert.equal(gone.code, 0, gone.output);
        await assert.rejects(machine.inside("systemctl", "is-active", "web@1.service"));
        assert.match(await machine.inside("systemctl", "list-timers"), /gatehouse-reopen-web/);
        // The machine was not replaced after all.
        const again = await machine.apply(configuration("error", "two"), client, [endpoint]);
        assert.deepEqual(reportOf(again).restarted, ["web@1.service"]);
        assert.match(again.stdout, /"turn": "given back"/);

        const left = await machine.presence("leave", client, ["web@1.service"], [endpoint]);
        assert.equal(left.code, 0, left.output);
        assert.match(left.stdout, /"presence": "left"/);
        await assert.rejects(machine.inside("systemctl", "is-active", "web@1.service"));
        await machine.inside("systemctl", "is-active", "etcd.service");
        const back = await machine.presence("return", client, ["web@1.service"], [endpoint]);
        assert.equal(back.code, 0, back.output);
        await machine.inside("systemctl", "is-active", "web@1.service");
    });
});
