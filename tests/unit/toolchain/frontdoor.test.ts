import * as assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

import { fakeCheckout, fakeEnvironment } from "../../support/fake-pulumi";

describe("the front door", function () {
    this.timeout(60_000);
    let checkout: string;

    beforeEach(() => {
        checkout = fakeCheckout();
        fs.writeFileSync(path.join(checkout, "Pulumi.fake.yaml"), stackFile);
    });
    afterEach(() => fs.rmSync(checkout, { recursive: true, force: true }));

    /** A subnet and ports that no lab on this computer has. */
    const stackFile =
        "config:\n  gatehouse:lab: nomad\n  gatehouse:network: { subnet: 10.199.77.0/24 }\n  gatehouse:ports: " +
        "{ webapp: 18701, haproxyStats: 18702, consul: 18703, nomad: 18704, dashboard: 18705, registry: 18706, ssh: 18800 }\n";

    const environment = (extra: NodeJS.ProcessEnv = {}) => fakeEnvironment(checkout, extra);

    function cli(args: string[], extra: NodeJS.ProcessEnv = {}) {
        return spawnSync(process.execPath, ["toolchain/cli.js", ...args], {
            cwd: checkout,
            env: environment(extra),
            encoding: "utf8",
        });
    }

    const calls = (): string[] => {
        const log = path.join(checkout, "log");
        return fs.existsSync(log) ? fs.readFileSync(log, "utf8").trim().split("\n") : [];
    };
    const statePath = (...parts: string[]): string =>
        path.join(checkout, ".gatehouse/state/.pulumi", ...parts);

    it("makes the stack once, brings it up unattended, and ends with the URLs", () => {
        const first = cli(["up", "fake"]);
        assert.equal(first.status, 0, first.stderr);
        assert.match(first.stdout, /^ {2}webapp {2}http:\/\/127\.0\.0\.1:8000$/m);
        assert.equal(cli(["up", "fake"]).status, 0);
        const commands = calls().filter((line) => !line.startsWith("config"));
        assert.deepEqual(
            commands.map((line) => line.split(" ").slice(0, 2).join(" ")),
            ["stack init", "up --stack", "up --stack"],
        );
        assert.ok(commands[1]?.includes("--yes") && commands[1].includes("--non-interactive"));
    });

    it("keeps the salt out of git, and the passphrase to its owner", () => {
        assert.equal(cli(["up", "fake"]).status, 0);
        assert.equal(fs.readFileSync(path.join(checkout, "Pulumi.fake.yaml"), "utf8"), stackFile);
        const configs = calls().filter((line) => line.startsWith("config "));
        assert.deepEqual(configs, [`config ${JSON.stringify(`encryptionsalt: v1:salt\n${stackFile}`)}`]);
        assert.equal(fs.statSync(path.join(checkout, ".gatehouse/passphrase")).mode & 0o777, 0o600);
    });

    it("hands later changes of the stack file over, with the same salt", () => {
        assert.equal(cli(["up", "fake"]).status, 0);
        fs.appendFileSync(path.join(checkout, "Pulumi.fake.yaml"), "  gatehouse:datacenter: dc2\n");
        assert.equal(cli(["up", "fake"]).status, 0);
        const last =
            calls()
                .filter((line) => line.startsWith("config "))
                .at(-1) ?? "";
        assert.match(last, /encryptionsalt: v1:salt.*datacenter: dc2/);
    });

    it("leaves nothing of the stack behind", () => {
        assert.equal(cli(["up", "fake"]).status, 0);
        const down = cli(["down", "fake"]);
        assert.equal(down.status, 0, down.stderr);
        assert.ok(calls().some((line) => line.startsWith("destroy --stack fake")));
        const left = fs.readdirSync(path.join(checkout, ".gatehouse"), { recursive: true }).map(String);
        assert.deepEqual(
            left.filter((file) => file.includes("fake")),
            [],
        );
        assert.equal(cli(["down", "fake"]).status, 0, "a second time");
    });

    const refusals = [
        {
            title: "a stack without a file",
            args: ["up", "nowhere"],
            says: /STACK=nowhere: there is no Pulumi\.nowhere\.yaml/,
            remedy: /fake/,
        },
        {
            title: "a name that is none",
            args: ["up", "../x"],
            says: /STACK=\.\.\/x is not a stack name/,
            remedy: /letters/,
        },
        {
            title: "outputs of a stack that is not up",
            args: ["outputs", "fake"],
            says: /not up/,
            remedy: /make up STACK=fake/,
        },
    ];
    for (const { title, args, says, remedy } of refusals) {
        it(`refuses ${title}, with a remedy`, () => {
            const result = cli(args);
            assert.equal(result.status, 1);
            assert.match(result.stderr, says);
            assert.match(/what to do: .*/.exec(result.stderr)?.[0] ?? "", remedy);
            assert.deepEqual(calls(), []);
        });
    }

    it("leaves an unknown lab to the program, which names every wrong setting at once", () => {
        fs.writeFileSync(
            path.join(checkout, "Pulumi.fake.yaml"),
            stackFile.replace("lab: nomad", "lab: nomda"),
        );
        cli(["up", "fake"], { FAKE_FAIL: "1" });
        assert.ok(calls().some((line) => line.startsWith("up --stack fake")));
        assert.equal(cli(["down", "fake"]).status, 0, "and it does not keep a stack from going");
    });

    it("refuses a taken port before it does anything", async () => {
        const holder = spawn(process.execPath, [
            "-e",
            'require("net").createServer().listen(18701, "127.0.0.1", () => console.log("ready"))',
        ]);
        try {
            await once(holder.stdout, "data");
            const result = cli(["up", "fake"]);
            assert.equal(result.status, 1);
            assert.match(
                result.stderr,
                /nothing was changed:\n.*gatehouse:ports\.webapp: port 18701 is already taken by/,
            );
            assert.deepEqual(calls(), []);
        } finally {
            holder.kill();
        }
    });

    it("says how to go on after a failure", () => {
        const result = cli(["up", "fake"], { FAKE_FAIL: "1" });
        assert.equal(result.status, 1);
        assert.match(result.stderr, /what to do: .*"make up STACK=fake" again.*"make down STACK=fake"/);
    });

    it("passes an interruption on exactly once, waits for Pulumi, and says how to go on", async () => {
        const run = spawn(process.execPath, ["toolchain/cli.js", "up", "fake"], {
            cwd: checkout,
            env: environment({ FAKE_WAIT: "1" }),
            stdio: ["ignore", "ignore", "pipe"],
            detached: true,
        });
        let errors = "";
        run.stderr.on("data", (text) => (errors += text));
        const deadline = Date.now() + 30_000;
        while (!calls().some((line) => line.startsWith("config "))) {
            assert.ok(Date.now() < deadline, `pulumi up was not called: ${errors}`);
            await new Promise((resolve) => setTimeout(resolve, 20));
        }
        process.kill(-run.pid!, "SIGINT"); // To the whole group, as a terminal does.
        await once(run, "close");
        assert.equal(run.exitCode, 1);
        assert.equal(calls().filter((line) => line === "SIGINT").length, 1);
        assert.match(errors, /up was interrupted.*\n.*"make up STACK=fake" goes on from there/);
    });

    describe("after a run that was killed", () => {
        function leave(lock: object): void {
            const folder = statePath("locks/organization/gatehouse/fake");
            fs.mkdirSync(folder, { recursive: true });
            fs.writeFileSync(path.join(folder, "1.json"), JSON.stringify(lock));
            fs.writeFileSync(path.join(folder, "1.json.attrs"), "{}");
        }

        beforeEach(() => {
            fs.mkdirSync(statePath("stacks/gatehouse"), { recursive: true });
            const resource = {
                urn: "urn:pulumi:fake::gatehouse::docker:index/network:Network::net",
                type: "docker:index/network:Network",
            };
            const latest = {
                resources: [{ type: "pulumi:pulumi:Stack" }],
                pending_operations: [
                    {
                        type: "creating",
                        resource: { ...resource, inputs: { name: "gatehouse-fake-nothing" } },
                    },
                ],
            };
            // What Pulumi was about to write beside the state.
            fs.writeFileSync(statePath("stacks/gatehouse/fake.json.attrs"), "");
            fs.writeFileSync(
                statePath("stacks/gatehouse/fake.json"),
                JSON.stringify({ version: 3, checkpoint: { latest } }),
            );
        });

        it("releases its lock, clears what was pending, and goes on", () => {
            const gone = spawnSync(process.execPath, ["-e", ""]).pid;
            leave({ pid: gone, username: "me", hostname: os.hostname(), timestamp: "2026-01-01T00:00:00Z" });
            const result = cli(["up", "fake"], { FAKE_FAIL: "1" });
            assert.match(result.stderr, /its lock on the stack is released/);
            assert.match(result.stderr, /interrupted during creating net/);
            assert.deepEqual(fs.readdirSync(statePath("locks/organization/gatehouse/fake")), []);
            assert.ok(
                !fs.existsSync(statePath("stacks/gatehouse/fake.json.attrs")),
                "metadata without content",
            );
            const state = JSON.parse(fs.readFileSync(statePath("stacks/gatehouse/fake.json"), "utf8"));
            assert.deepEqual(state.checkpoint.latest.pending_operations, []);
            assert.equal(state.checkpoint.latest.resources.length, 1);
            assert.ok(calls().some((line) => line.startsWith("up ")));
        });

        it("does not break into one that still runs, and names it", async () => {
            const name = path.join(checkout, "bin", "pulumi-runs");
            fs.copyFileSync(process.execPath, name);
            fs.chmodSync(name, 0o755);
            const other = spawn(name, ["-e", "console.log(1); setInterval(() => {}, 1000)"]);
            try {
                await once(other.stdout, "data");
                leave({
                    pid: other.pid,
                    username: "me",
                    hostname: os.hostname(),
                    timestamp: "2026-01-01T00:00:00Z",
                });
                const result = cli(["up", "fake"]);
                assert.equal(result.status, 1);
                assert.match(
                    result.stderr,
                    new RegExp(`another run is working on the stack fake: process ${other.pid} `),
                );
                assert.deepEqual(calls(), []);
            } finally {
                other.kill("SIGKILL");
            }
        });
    });

    it("leaves the state to the backend that the user chose", () => {
        const elsewhere = path.join(checkout, "elsewhere");
        fs.mkdirSync(elsewhere);
        const extra = { PULUMI_BACKEND_URL: `file://${elsewhere}`, PULUMI_CONFIG_PASSPHRASE: "x" };
        const result = cli(["env", "fake"], extra);
        assert.equal(result.status, 0, result.stderr);
        assert.doesNotMatch(result.stdout, /PULUMI_BACKEND_URL|PASSPHRASE/);
        assert.ok(!fs.existsSync(path.join(checkout, ".gatehouse/passphrase")));
        const login = path.join(checkout, ".pulumi");
        fs.mkdirSync(login);
        fs.writeFileSync(
            path.join(login, "credentials.json"),
            JSON.stringify({ current: "https://api.pulumi.com" }),
        );
        assert.doesNotMatch(cli(["env", "fake"]).stdout, /PULUMI_BACKEND_URL/);
        fs.rmSync(login, { recursive: true });
        assert.match(
            cli(["env", "fake"]).stdout,
            /^export PULUMI_BACKEND_URL='file:\/\/.*\.gatehouse\/state\?metadata=skip'$/m,
        );
    });

    it("keeps the state of stacks that are up when told to clean", () => {
        assert.equal(cli(["up", "fake"]).status, 0);
        // No engine: should it not refuse, it must not take this computer's images.
        const result = cli(["clean"], { DOCKER_HOST: "unix:///nowhere/docker.sock" });
        assert.equal(result.status, 1);
        assert.match(result.stderr, /these stacks still exist: fake\n.*make down STACK=fake/);
        assert.ok(fs.existsSync(statePath("stacks/gatehouse/fake.json")));
    });
});
