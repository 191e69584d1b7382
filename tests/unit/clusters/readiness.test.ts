import * as assert from "node:assert/strict";

import { readinessCommand } from "../../../components/clusters/readiness";
import { type Agent, startConsul, startNomad } from "../../support/agents";
import { type CommandResult, run } from "../../support/command";

interface Members {
    servers: string[];
    clients: string[];
    timeout?: number;
}

function ask(
    script: "consul-ready.py" | "nomad-ready.py",
    api: string,
    { timeout = 1, ...members }: Members,
): Promise<CommandResult> {
    const { create, stdin } = readinessCommand(script, { api, ...members, timeout });
    return run("sh", ["-c", create], { input: stdin });
}

describe("the readiness of a Consul cluster", function () {
    this.timeout(60_000);
    let agent: Agent;
    before(async () => {
        agent = await startConsul();
    });
    after(() => agent?.stop());

    it("is reached when its server votes and every agent is a member", async () => {
        const result = await ask("consul-ready.py", agent.address, {
            servers: ["test"],
            clients: [],
            timeout: 20,
        });
        assert.equal(result.code, 0, result.output);
        assert.equal(typeof JSON.parse(result.stdout).seconds, "number");
    });

    it("names every server and client that is missing", async () => {
        const result = await ask("consul-ready.py", agent.address, {
            servers: ["test", "server-2"],
            clients: ["c"],
        });
        assert.equal(result.code, 1, result.output);
        assert.match(result.output, /The Consul cluster is not complete after 1 s:/);
        assert.match(result.output, /server server-2 is not a voter/);
        assert.match(result.output, /agent server-2 is not a member/);
        assert.match(result.output, /agent c is not a member/);
        assert.doesNotMatch(result.output, /Traceback|agent test/);
    });
});

describe("the readiness of a Nomad cluster", function () {
    this.timeout(60_000);
    let agent: Agent;
    let name: string;
    before(async () => {
        agent = await startNomad();
        const nodes = (await (await fetch(`${agent.address}/v1/nodes`)).json()) as { Name: string }[];
        name = nodes[0]!.Name;
    });
    after(() => agent?.stop());

    it("says what a client lacks for jobs in containers and in the mesh", async () => {
        // The agent here runs raw_exec only and knows no Consul: each of that is a reason.
        const result = await ask("nomad-ready.py", agent.address, { servers: [name], clients: [name] });
        assert.equal(result.code, 1, result.output);
        assert.match(result.output, new RegExp(`client ${name}: the Docker driver is not healthy`));
        assert.match(result.output, new RegExp(`client ${name} has not found its Consul agent`));
        assert.doesNotMatch(result.output, /is not a voter|Traceback/);
    });

    it("is reached without clients, and names clients and servers that are missing", async () => {
        const complete = await ask("nomad-ready.py", agent.address, {
            servers: [name],
            clients: [],
            timeout: 20,
        });
        assert.equal(complete.code, 0, complete.output);
        const lacking = await ask("nomad-ready.py", agent.address, {
            servers: [name, "server-2"],
            clients: ["c"],
        });
        assert.equal(lacking.code, 1, lacking.output);
        assert.match(lacking.output, /server server-2 is not a voter/);
        assert.match(lacking.output, /client c has not registered/);
    });
});

describe("the readiness of a cluster that does not answer", () => {
    it("says so, with the reason", async () => {
        const result = await ask("nomad-ready.py", "http://127.0.0.1:1", { servers: ["s"], clients: [] });
        assert.equal(result.code, 1, result.output);
        assert.match(result.output, /The Nomad cluster does not answer: .*refused/);
    });
});
