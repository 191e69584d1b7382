import * as assert from "node:assert/strict";

import { eventually } from "../../support/poll";
import { clients, lab, machines, servers } from "../../support/routed-lab";

describe("routed lab: what machines and agents do without", function () {
    this.timeout("5m");

    before("bring it up", () => lab.ensureUp());

    it("runs no checks that are scripts, no remote commands, and Consul not as root", async () => {
        for (const machine of machines) {
            const { DebugConfig } = await lab.api<{ DebugConfig: Record<string, unknown> }>(
                "consul",
                "/v1/agent/self",
                { via: machine },
            );
            assert.equal(DebugConfig["EnableLocalScriptChecks"], false, machine);
            assert.equal(DebugConfig["EnableRemoteScriptChecks"], false, machine);
            assert.equal(DebugConfig["DisableRemoteExec"], true, machine);
            // The agent's own process: `consul snapshot save`, which the timer runs now and then, is root's.
            const pid = await lab.on(machine, "systemctl", "show", "consul", "--property=MainPID", "--value");
            const user = await lab.on(machine, "ps", "-p", pid.trim(), "-o", "user=");
            assert.equal(user.trim(), "consul", machine);
        }
    });

    it("refuses a check that is a script, whoever asks for it", async () => {
        const body = { Name: "evil", Args: ["/bin/true"], Interval: "10s" };
        const { status, body: said } = await lab.answer("consul", "/v1/agent/check/register", {
            method: "PUT",
            body,
            via: "client-1",
        });
        assert.equal(status, 500, said);
        assert.match(said, /Scripts are disabled/);
    });

    it("has servers that run no jobs, and an Autopilot that removes the dead", async () => {
        const nodes = await lab.api<{ Name: string }[]>("nomad", "/v1/nodes");
        assert.deepEqual(nodes.map(({ Name }) => Name).sort(), clients);
        for (const api of ["consul", "nomad"] as const) {
            const path = "/v1/operator/autopilot/configuration";
            const { CleanupDeadServers } = await lab.api<{ CleanupDeadServers: boolean }>(api, path);
            assert.equal(CleanupDeadServers, true, api);
            assert.deepEqual((await lab.raft(api)).voters, servers);
        }
    });

    it("stops Nomad no sooner than a drain may take", async () => {
        for (const client of clients) {
            const stop = await lab.on(
                client,
                "systemctl",
                "show",
                "nomad",
                "--property=TimeoutStopUSec",
                "--value",
            );
            const { client: configuration } = JSON.parse(
                await lab.on(client, "cat", "/etc/nomad.d/nomad.json"),
            );
            const deadline = configuration.drain_on_shutdown.deadline as string;
            assert.match(deadline, /^\d+s$/);
            assert.ok(seconds(stop) > parseInt(deadline), `${stop} is not longer than ${deadline}`);
        }
    });

    it("has the servers' data on disk: an agent that restarts is the same peer", async () => {
        const { leader } = await lab.raft("consul");
        const server = servers.find((name) => name !== leader)!;
        const id = (): Promise<string> => lab.on(server, "cat", "/var/lib/consul/node-id");
        const before = await id();
        await lab.on(server, "systemctl", "restart", "consul");
        assert.equal(await id(), before);
        assert.match(await lab.on(server, "ls", "/var/lib/consul/raft"), /raft\.(db|wal)|wal/);
        // The command ends before the agent answers.
        await eventually(
            "the servers vote as before",
            async () => {
                assert.deepEqual((await lab.raft("consul", server)).voters, servers);
                assert.deepEqual((await lab.raft("consul")).voters, servers);
            },
            { within: 60 },
        );
    });

    it("has no secret in its user data", async () => {
        for (const machine of machines) {
            const userData = await lab.on(machine, "cat", "/var/lib/cloud/seed/nocloud/user-data");
            const known = JSON.parse(await lab.feed(machine, secretsOfMachine, ["python3", "-"])) as string[];
            const [, password = ""] = lab.environment("CONSUL_HTTP_AUTH").split(":");
            const secrets = [
                ...known,
                password,
                lab.environment("CONSUL_HTTP_TOKEN"),
                lab.environment("NOMAD_TOKEN"),
            ];
            assert.ok(
                secrets.length > 6 && secrets.every((each) => each.length > 20),
                `${secrets.length} secrets`,
            );
            assert.ok(
                !secrets.some((each) => userData.includes(each)),
                `${machine}'s user data has a secret`,
            );
            // And nothing of the cluster's configuration, so that a change of it replaces no machine.
            assert.doesNotMatch(userData, /retry_join|bootstrap_expect|BEGIN CERTIFICATE/);
        }
    });

    it("takes SSH with keys only, and shows the host key that is pinned", async () => {
        for (const machine of machines) {
            const settings = (await lab.on(machine, "sshd", "-T")).split("\n");
            for (const each of [
                "passwordauthentication no",
                "kbdinteractiveauthentication no",
                "permitrootlogin without-password",
                "permitemptypasswords no",
            ]) {
                assert.ok(settings.includes(each), `${machine}: ${each} is not among sshd's settings`);
            }
            const userData = await lab.on(machine, "cat", "/var/lib/cloud/seed/nocloud/user-data");
            const shown = await lab.on(machine, "ssh-keyscan", "-t", "ed25519", "127.0.0.1");
            const [, , key = ""] = shown.trim().split(" ");
            assert.ok(
                key.length > 40 && userData.includes(key),
                `${machine} shows another host key: ${shown}`,
            );
        }
    });

    it("has HAProxy's workers in a folder without a program and as a user of their own", async () => {
        for (const machine of machines) {
            // While a configuration is checked or a worker starts, there is one more of root's for a moment.
            await eventually(`${machine} has one master, and workers in their folder`, async () => {
                const list = await lab.on(machine, "ps", "-C", "haproxy", "-o", "pid=,user=");
                const processes = list
                    .trim()
                    .split("\n")
                    .map((line) => line.trim().split(/\s+/));
                const workers = processes.filter(([, user]) => user === "haproxy");
                assert.ok(workers.length > 0, list);
                assert.equal(processes.filter(([, user]) => user === "root").length, 1, list);
                for (const [pid] of workers) {
                    const folder = await lab.on(machine, "readlink", `/proc/${pid}/root`);
                    assert.equal(folder.trim(), "/var/lib/haproxy");
                }
            });
        }
    });
});

/** systemd's way to write a time span. */
function seconds(text: string): number {
    const [, minutes = "0", rest = "0"] = /^(?:(\d+)min ?)?(?:(\d+)s)?$/.exec(text.trim()) ?? [];
    return Number(minutes) * 60 + Number(rest);
}

/** Tokens, keys and passwords that came over SSH. */
const secretsOfMachine = `
import glob, json, os, re
found = set()
for path in glob.glob("/etc/consul.d/*.json") + glob.glob("/etc/nomad.d/*.json") + ["/etc/consul-template/token"]:
    text = open(path).read()
    found.update(re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", text))
    found.update(re.findall(r'"encrypt": *"([^"]+)"', text))
for path in glob.glob("/etc/*.d/tls/*-key.pem") + glob.glob("/etc/haproxy/operators.pem"):
    key = re.search(r"PRIVATE KEY-----\\n(.*?)\\n-----END", open(path).read(), re.S)
    found.update(key.group(1).split("\\n")[:1])
print(json.dumps(sorted(found)))
`;
