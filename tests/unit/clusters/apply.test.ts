import * as assert from "node:assert/strict";

import type { ConfigureReport } from "../../../components/clusters/configure";
import type { NodeConfiguration, NodeFile } from "../../../components/clusters/node-files";
import type { RollArgs } from "../../../components/clusters/node-script";
import type { CommandResult } from "../../support/command";
import { eventually } from "../../support/poll";
import { makeCertificate } from "../sticky/certificates";
import { ApplyMachine } from "./apply-machine";

const secret = "correct-horse-battery-staple";

/** A unit that shows which configuration it runs on: it copies the file when it starts, and when it reloads. */
function service(name: string): string {
    return [
        "[Service]",
        // As with a program that refuses its file: systemd's command itself fails.
        `ExecStartPre=sh -c '! grep refused /etc/${name}/${name}.conf'`,
        `ExecStart=sh -c 'cp /etc/${name}/${name}.conf /run/${name}; exec sleep infinity'`,
        `ExecReload=sh -c '! grep refused /etc/${name}/${name}.conf'`,
        `ExecReload=cp /etc/${name}/${name}.conf /run/${name}`,
        "Restart=always",
        "RestartSec=100ms",
        "",
    ].join("\n");
}

function unitFile(name: string): NodeFile {
    return {
        path: `/etc/systemd/system/${name}.service`,
        content: service(name),
        mode: "0644",
        owner: "root:root",
        unit: { name: `${name}.service`, change: "restart" },
    };
}

function configurationFile(name: string, content: string, change: "reload" | "restart"): NodeFile {
    return {
        path: `/etc/${name}/${name}.conf`,
        content,
        mode: "0640",
        owner: "root:daemon",
        unit: { name: `${name}.service`, change },
    };
}

function configuration({ alpha = "one", beta = "one", more = [] as NodeFile[] } = {}): NodeConfiguration {
    return {
        files: [
            unitFile("alpha"),
            configurationFile("alpha", `${alpha}\ntoken = "${secret}"\n`, "restart"),
            unitFile("beta"),
            configurationFile("beta", `${beta}\n`, "reload"),
            ...more,
        ],
        units: [
            {
                name: "alpha.service",
                check: ["sh", "-c", "! grep --with-filename -A1 wrong /etc/alpha/alpha.conf"],
                // It has read its file a moment after it has started.
                healthy: ["sh", "-c", "cmp /run/alpha /etc/alpha/alpha.conf && ! grep sick /run/alpha"],
            },
            { name: "beta.service" },
        ],
    };
}

function reportOf(result: CommandResult): ConfigureReport {
    assert.equal(result.code, 0, result.output);
    return JSON.parse(result.stdout) as ConfigureReport;
}

describe("a node's configuration on a real machine", function () {
    this.timeout(180_000);
    let machine: ApplyMachine;
    before(async () => {
        machine = await ApplyMachine.boot(`gatehouse-apply-test-${process.pid}`);
    });
    after(() => machine?.remove());

    const pids = async (): Promise<number[]> =>
        Promise.all(["alpha", "beta"].map((name) => machine.pid(`${name}.service`)));
    const running = async (name: string): Promise<string> =>
        (await machine.read(`/run/${name}`)).split("\n")[0]!;

    it("is put in place with owners and modes, and its units run now and after a boot", async () => {
        const report = reportOf(await machine.apply(configuration()));
        assert.equal(report.changed.length, 4);
        assert.deepEqual(report.restarted, ["alpha.service", "beta.service"]);
        assert.equal(await running("alpha"), "one");
        const state = await machine.inside("stat", "--format=%a %U:%G", "/etc/alpha/alpha.conf");
        assert.equal(state.trim(), "640 root:daemon");
        const wants = await machine.inside("systemctl", "show", "--property=Wants", "gatehouse.target");
        assert.match(wants, /alpha\.service.*beta\.service|beta\.service.*alpha\.service/);
        assert.doesNotMatch(await machine.inside("ls", "-a", "/etc/alpha"), /gatehouse-/);
    });

    it("changes nothing when nothing has changed", async () => {
        const before = await pids();
        const report = reportOf(await machine.apply(configuration()));
        assert.deepEqual([report.changed, report.restarted, report.reloaded], [[], [], []]);
        assert.deepEqual(await pids(), before);
    });

    it("restarts the one unit whose file changed, and reloads what can reload", async () => {
        const [alpha, beta] = await pids();
        const restart = reportOf(await machine.apply(configuration({ alpha: "two" })));
        assert.deepEqual(restart.changed, ["/etc/alpha/alpha.conf"]);
        assert.deepEqual([restart.restarted, restart.reloaded], [["alpha.service"], []]);
        const [newAlpha] = await pids();
        assert.notEqual(newAlpha, alpha);
        assert.equal(await running("alpha"), "two");

        const reload = reportOf(await machine.apply(configuration({ alpha: "two", beta: "two" })));
        assert.deepEqual([reload.restarted, reload.reloaded], [[], ["beta.service"]]);
        assert.deepEqual(await pids(), [newAlpha, beta]);
        assert.equal(await running("beta"), "two");
    });

    it("keeps what was there when a unit's check refuses the new files, and tells no secret", async () => {
        const before = await pids();
        const result = await machine.apply(configuration({ alpha: "wrong", beta: "three" }));
        assert.equal(result.code, 1, result.output);
        assert.match(result.output, /alpha\.service: its new files are not right, and the old ones are back/);
        assert.match(result.output, /wrong/);
        assert.match(result.output, /\(secret\)/);
        assert.ok(!result.output.includes(secret), result.output);
        assert.match(await machine.read("/etc/alpha/alpha.conf"), /^two/);
        assert.match(await machine.read("/etc/beta/beta.conf"), /^two/);
        assert.deepEqual(await pids(), before);
        const report = reportOf(await machine.apply(configuration({ alpha: "two", beta: "two" })));
        assert.deepEqual([report.changed, report.restarted], [[], []]);
    });

    it("goes back to what was there when a unit does not get well on the new files", async () => {
        const result = await machine.apply(configuration({ alpha: "sick", beta: "two" }));
        assert.equal(result.code, 1, result.output);
        assert.match(result.output, /alpha\.service is not healthy after 20 s: sick/);
        assert.match(result.output, /The old files are back, and alpha\.service restarted on them/);
        // It reads them a moment after it has started.
        await eventually("the old one runs", async () => assert.equal(await running("alpha"), "two"));
        assert.match(await machine.read("/etc/alpha/alpha.conf"), /^two/);
    });

    for (const [name, how] of [
        ["alpha", "restart"],
        ["beta", "reload"],
    ] as const) {
        it(`goes back to what was there when a unit's ${how} fails at once`, async () => {
            const current = { alpha: "two", beta: "two" };
            const result = await machine.apply(configuration({ ...current, [name]: "refused" }));
            assert.equal(result.code, 1, result.output);
            assert.match(result.output, new RegExp(`${name}\\.service: ${how} failed`));
            assert.match(
                result.output,
                new RegExp(`The old files are back, and ${name}\\.service restarted on them`),
            );
            await eventually("the old one runs", async () => assert.equal(await running(name), "two"));
            const report = reportOf(await machine.apply(configuration(current)));
            assert.deepEqual([report.changed, report.restarted], [[], []]);
        });
    }

    it("is finished by the next run when one was killed between writing and restarting", async () => {
        const held = configuration({ alpha: "three", beta: "two" });
        held.units[0]!.check = ["sh", "-c", "while [ -e /run/hold ]; do sleep 0.1; done"];
        await machine.inside("touch", "/run/hold");
        const killed = await machine.begin(held);
        await eventually("the file is there", async () =>
            assert.match(await machine.read("/etc/alpha/alpha.conf"), /^three/),
        );
        await machine.inside("pkill", "--signal", "KILL", "-x", "python3");
        await killed.done;
        await machine.inside("rm", "/run/hold");
        assert.equal(await running("alpha"), "two");

        const report = reportOf(await machine.apply(held));
        assert.deepEqual([report.changed, report.restarted], [[], ["alpha.service"]]);
        assert.equal(await running("alpha"), "three");
    });

    it("starts a unit that has stopped, and puts right what somebody changed by hand", async () => {
        const wanted = configuration({ alpha: "three", beta: "two" });
        await machine.inside("systemctl", "stop", "beta.service");
        await machine.inside("chmod", "0644", "/etc/alpha/alpha.conf");
        const report = reportOf(await machine.apply(wanted));
        assert.deepEqual(report.changed, ["/etc/alpha/alpha.conf"]);
        assert.deepEqual(report.restarted.sort(), ["alpha.service", "beta.service"]);
    });

    it("removes files and units that it no longer has", async () => {
        const extra: NodeFile = {
            path: "/etc/alpha/extra.conf",
            content: "extra\n",
            mode: "0644",
            owner: "root:root",
            unit: { name: "alpha.service", change: "restart" },
        };
        const wanted = { alpha: "three", beta: "two" };
        reportOf(await machine.apply(configuration({ ...wanted, more: [extra] })));
        const without = configuration(wanted);
        const alone = {
            files: without.files.filter((file) => !file.path.includes("beta")),
            units: [without.units[0]!],
        };
        const report = reportOf(await machine.apply(alone));
        assert.deepEqual(report.changed.sort(), [
            "/etc/alpha/extra.conf",
            "/etc/beta/beta.conf",
            "/etc/systemd/system/beta.service",
        ]);
        assert.deepEqual(report.restarted, ["alpha.service"]);
        assert.equal(await machine.pid("beta.service"), 0);
        await assert.rejects(machine.read("/etc/beta/beta.conf"));
    });

    it("takes the cluster's turn when the machine is a member, and gives it back when all is well", async () => {
        const consul = (level: string): NodeConfiguration => ({
            files: [
                {
                    ...unitFile("lone"),
                    content:
                        "[Service]\nExecStart=consul agent -config-dir=/etc/lone\nExecReload=/bin/kill -HUP $MAINPID\nStateDirectory=lone\nRestart=always\nRestartSec=100ms\n",
                },
                {
                    path: "/etc/lone/consul.json",
                    content: JSON.stringify({
                        server: true,
                        bootstrap: true,
                        node_name: "server-1",
                        data_dir: "/var/lib/lone",
                        bind_addr: "127.0.0.1",
                        performance: { raft_multiplier: 1 },
                        log_level: level,
                    }),
                    mode: "0644",
                    owner: "root:root",
                    unit: { name: "lone.service", change: "restart" },
                },
            ],
            units: [
                {
                    name: "lone.service",
                    check: ["consul", "validate", "/etc/lone"],
                    healthy: ["sh", "-c", "curl -fs 127.0.0.1:8500/v1/status/leader | grep 8300"],
                },
            ],
        });
        const roll: RollArgs = { role: "server", consul: { token: "" }, timeout: 20 };
        // A machine that has nothing to lose does not ask.
        const first = reportOf(await machine.apply(consul("info"), roll));
        assert.equal(first.waited, undefined);
        await machine.inside("sh", "-c", `echo '{"standing": "member"}' > /var/lib/gatehouse/member.json`);
        const second = await machine.begin(consul("debug"), roll);
        const result = await second.done;
        const report = reportOf(result);
        assert.deepEqual(report.restarted, ["lone.service"]);
        assert.ok(report.waited !== undefined && report.waited < 5, result.stdout);
        assert.match(report.note!, /only server: the service is interrupted/);
        assert.match(result.stdout, /"turn": "given back"/);
        await assert.rejects(machine.inside("consul", "kv", "get", "gatehouse/turn"));

        // A client, as far as its end is concerned: a lone server would not be let go.
        const client: RollArgs = { ...roll, role: "client" };
        const left = await machine.presence("leave", client, ["lone.service"]);
        assert.equal(left.code, 0, left.output);
        assert.match(left.stdout, /"presence": "left"/);
        await assert.rejects(machine.inside("systemctl", "is-active", "lone.service"));
        const wants = await machine.inside("systemctl", "show", "--property=Wants", "gatehouse.target");
        assert.doesNotMatch(wants, /lone/, "it does not start at the next boot");
        const back = await machine.presence("return", client, ["lone.service"]);
        assert.equal(back.code, 0, back.output);
        await machine.inside("systemctl", "is-active", "lone.service");
        assert.match(
            await machine.inside("systemctl", "show", "--property=WantedBy", "lone.service"),
            /target/,
            "it starts at the next boot",
        );
        await machine.inside("rm", "/var/lib/gatehouse/member.json");
    });

    it("names the peers that do not answer when a unit does not get well", async () => {
        const wanted = configuration({ alpha: "sick", beta: "two" });
        // Of the machine itself: one port is taken, the other is not.
        const listen = "import socket, time; s = socket.create_server(('127.0.0.1', 9301)); time.sleep(600)";
        await machine.inside("systemd-run", "--unit=peer", "python3", "-c", listen);
        await eventually("the peer listens", () =>
            machine.inside("python3", "-c", "import socket; socket.create_connection(('127.0.0.1', 9301))"),
        );
        wanted.units[0]!.peers = { "server-2": "127.0.0.1:9301", "server-3": "127.0.0.1:9302" };
        const result = await machine.apply(wanted);
        await machine.inside("systemctl", "stop", "peer");
        assert.equal(result.code, 1, result.output);
        assert.match(
            result.output,
            /alpha\.service is not healthy after 20 s: sick\n +its server server-3 does not answer at 127\.0\.0\.1:9302 \(.*refused\): see whether that machine runs \(docker ps\) and alpha\.service on it/,
        );
        assert.doesNotMatch(result.output, /server-2/);
    });

    it("takes new certificates over without a turn when its own have ended", async () => {
        const pem = (content: string): NodeFile => ({
            path: "/etc/beta/tls.pem",
            content,
            mode: "0644",
            owner: "root:root",
            unit: { name: "beta.service", change: "reload" },
        });
        const wanted = { alpha: "two", beta: "two" };
        const [ended, good] = await Promise.all(
            [-1, 30].map(async (days) => (await makeCertificate({ domain: "server-1", days })).certificate),
        );
        reportOf(await machine.apply(configuration({ ...wanted, more: [pem(ended!)] })));
        await machine.inside("sh", "-c", `echo '{"standing": "member"}' > /var/lib/gatehouse/member.json`);
        // Nobody there could give a turn: that is what agents without a leader come to.
        const silent = "import socket, time; s = socket.create_server(('127.0.0.1', 8500)); time.sleep(600)";
        await machine.inside("systemd-run", "--unit=silent", "python3", "-c", silent);
        const roll: RollArgs = { role: "server", consul: { token: "" }, timeout: 5 };
        const report = reportOf(await machine.apply(configuration({ ...wanted, more: [pem(good!)] }), roll));
        assert.match(report.note!, /\/etc\/beta\/tls\.pem had expired: this node is no working member/);
        assert.deepEqual([report.reloaded, report.waited], [["beta.service"], undefined]);
        await machine.inside("systemctl", "stop", "silent");
        await machine.inside("rm", "/var/lib/gatehouse/member.json");
    });

    it("fails with the last lines of a unit that does not stay up, and says which user is missing", async () => {
        const broken: NodeConfiguration = {
            files: [
                {
                    ...unitFile("gamma"),
                    content: `[Service]\nExecStart=sh -c 'echo the token is ${secret}; exit 3'\nRestart=always\nRestartSec=100ms\n`,
                },
                configurationFile("gamma", `"${secret}"\n`, "restart"),
            ],
            units: [{ name: "gamma.service" }],
        };
        const result = await machine.apply(broken);
        assert.equal(result.code, 1, result.output);
        assert.match(result.output, /gamma\.service (does not stay up|has failed)/);
        assert.match(result.output, /the token is \(secret\)/);

        const nobody = configuration();
        nobody.files[1]!.owner = "root:nosuchgroup";
        const refused = await machine.apply(nobody);
        assert.equal(refused.code, 1);
        assert.match(refused.output, /no user and group root:nosuchgroup/);
    });
});
