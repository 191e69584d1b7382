import * as assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

import { fileBackend } from "../../toolchain/backend";
import { setUp } from "../../toolchain/setup";
import { needsOf } from "../../toolchain/versions";
import { root, start, type CommandResult, type RunningCommand } from "../support/command";
import { eventually } from "../support/poll";
import { RollCluster } from "../unit/clusters/roll-cluster";
import { keys, LoggedMachine } from "./roll-ssh";
import type { Scene } from "./rolling/scene";

describe("nodes that roll, with the real engine", function () {
    this.timeout("5m");
    // Its file is ignored by git.
    const stack = "e2e-rolling";
    const project = join(__dirname, "rolling");
    const folder = mkdtempSync(join(tmpdir(), "gatehouse-rolling-"));
    const log = join(folder, "log");
    const configuration = join(folder, `Pulumi.${stack}.yaml`);
    let cluster: RollCluster;
    let machines: LoggedMachine[] = [];
    let environment: NodeJS.ProcessEnv;
    let nodes: Scene["nodes"];

    before(async () => {
        const ready = await setUp(needsOf("test"), { docker: false, quiet: true });
        environment = {
            ...process.env,
            PATH: [...new Set(ready.toolFolders), process.env["PATH"] ?? ""].join(delimiter),
            PULUMI_BACKEND_URL: fileBackend(folder),
            PULUMI_CONFIG_PASSPHRASE: "",
            PULUMI_SKIP_UPDATE_CHECK: "true",
            PULUMI_NODEJS_TRANSPILE_ONLY: "true",
            PULUMI_NODEJS_TSCONFIG_PATH: join(root, "tsconfig.json"),
            ...(ready.plugins.home !== undefined && {
                PULUMI_HOME: ready.plugins.home,
                PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
            }),
        };
        cluster = await RollCluster.start("127.42.14", 3);
        machines = await Promise.all(cluster.servers.map((name) => LoggedMachine.start(name, log)));
        nodes = cluster.servers.map((name, index) => ({
            name,
            port: machines[index]!.port,
            api: cluster.api(name),
            state: cluster.state(name),
            generation: 1,
        }));
        const made = await pulumi("stack", "init", stack, "--no-select");
        assert.equal(made.code, 0, made.output);
        // It has no option for that.
        writeFileSync(configuration, readFileSync(join(project, `Pulumi.${stack}.yaml`)));
        rmSync(join(project, `Pulumi.${stack}.yaml`));
    });
    after(async () => {
        machines.forEach((machine) => machine.stop());
        await cluster?.stop();
        rmSync(folder, { recursive: true, force: true });
    });
    beforeEach(() => writeFileSync(log, ""));

    function begin(...args: string[]): RunningCommand {
        const scene: Scene = {
            log,
            privateKey: keys.operator.private,
            hostKey: keys.host.public,
            rollToken: cluster.roll,
            nodes,
        };
        const which = args[0] === "stack" ? [] : ["--stack", stack];
        const file = ["stack", "cancel"].includes(args[0]!) ? [] : ["--config-file", configuration];
        return start("pulumi", [...args, ...which, ...file, "--non-interactive"], {
            cwd: project,
            env: { ...environment, ROLLING_SCENE: JSON.stringify(scene) },
            timeout: 200,
        });
    }

    function pulumi(...args: string[]): Promise<CommandResult> {
        return begin(...args).done;
    }

    async function up(): Promise<string[]> {
        const result = await pulumi("up", "--yes", "--skip-preview");
        assert.equal(result.code, 0, `${result.output}\n${readFileSync(log, "utf8")}`);
        assert.ok(!result.output.includes(cluster.roll), "the token is not in what the engine prints");
        return lines();
    }

    const lines = (): string[] => readFileSync(log, "utf8").trim().split("\n");
    const of = (all: string[], what: string): string[] =>
        all.filter((line) => line.endsWith(` ${what}`)).map((line) => line.split(" ")[0]!);

    it("makes all nodes at once", async () => {
        const happened = await up();
        const firstGate = happened.findIndex((line) => line.endsWith("gate ends"));
        const begun = of(happened.slice(0, firstGate), "configure begins");
        assert.deepEqual(begun.sort(), cluster.servers, happened.join("\n"));
        assert.deepEqual(of(happened, "turn begins"), []);
        assert.deepEqual(of(happened, "gate ends").sort(), cluster.servers);
        assert.deepEqual(of(happened, "return ends").sort(), cluster.servers);
        assert.ok(happened.includes("server-1 plan ends"), happened.join("\n"));
    });

    it("changes nothing when nothing has changed", async () => {
        const preview = await pulumi("preview", "--expect-no-changes");
        assert.equal(preview.code, 0, preview.output);
    });

    it("replaces three machines strictly in turn, the leader last", async () => {
        const leader = await cluster.leader();
        nodes = nodes.map((node) => ({ ...node, generation: 2 }));
        const happened = await up();
        // A gate gives the turn back before it ends: the next one may have taken it by then.
        const story = happened.filter((line) => / (deleted|made|gate ends)$/.test(line));
        const order = of(happened, "turn ends");
        assert.equal(order.length, 3, happened.join("\n"));
        assert.equal(order[2], leader);
        assert.deepEqual(
            story,
            order.flatMap((name) => ["deleted", "made", "gate ends"].map((what) => `${name} ${what}`)),
            happened.join("\n"),
        );
        assert.deepEqual(of(happened, "leave begins"), []);
        assert.equal(await cluster.turn(), undefined);
    });

    it("replaces one machine and touches no other", async () => {
        nodes = nodes.map((node, index) => ({ ...node, generation: index === 1 ? 3 : 2 }));
        const happened = await up();
        assert.deepEqual([...new Set(happened.map((line) => line.split(" ")[0]))], ["server-2"]);
    });

    it("is finished by the next update when one was killed with a machine on its way", async () => {
        nodes = nodes.map((node) => ({ ...node, generation: 4 }));
        const killed = begin("up", "--yes", "--skip-preview");
        await eventually("a machine is on its way", () => assert.equal(of(lines(), "turn ends").length, 1), {
            within: 60,
            every: 20,
        });
        await killed.kill();
        await killed.done;
        assert.ok(await cluster.turn(), "the turn is still taken");
        assert.equal((await pulumi("cancel", "--yes")).code, 0);
        await up();
        const happened = lines();
        for (const name of cluster.servers) {
            assert.ok(happened.includes(`${name} made`), happened.join("\n"));
        }
        // Never two away at once.
        let away: string[] = [];
        for (const line of happened) {
            const name = line.split(" ")[0]!;
            away = line.endsWith(" deleted") ? [...new Set([...away, name])] : away;
            away = line.endsWith(" gate ends") ? away.filter((each) => each !== name) : away;
            assert.ok(away.length < 2, happened.join("\n"));
        }
        assert.equal(await cluster.turn(), undefined);
        assert.equal((await pulumi("preview", "--expect-no-changes")).code, 0);
    });

    it("opens a node's gate anew when a change that was killed is taken back", async () => {
        const before = nodes;
        nodes = nodes.map((node) => ({ ...node, generation: 5 }));
        const killed = begin("up", "--yes", "--skip-preview");
        await eventually("a machine is on its way", () => assert.equal(of(lines(), "turn ends").length, 1), {
            within: 60,
            every: 20,
        });
        await killed.kill();
        await killed.done;
        const [name] = of(lines(), "turn ends");
        assert.equal((await cluster.turn())?.node, name);
        assert.equal((await pulumi("cancel", "--yes")).code, 0);
        writeFileSync(log, "");
        nodes = before;
        const happened = await up();
        assert.ok(happened.includes(`${name} gate ends`), happened.join("\n"));
        assert.equal(await cluster.turn(), undefined);
        assert.equal((await pulumi("preview", "--expect-no-changes")).code, 0);
    });

    it("lets a removed node leave before its machine goes", async () => {
        const leader = await cluster.leader();
        const gone = [...cluster.servers].reverse().find((name) => name !== leader && name !== "server-1")!;
        nodes = nodes.filter(({ name }) => name !== gone);
        const happened = await up();
        const story = happened.filter((line) => line.startsWith(gone));
        assert.deepEqual(story, [
            `${gone} leave begins`,
            `${gone} leave ends`,
            `${gone} turn begins`,
            `${gone} turn ends`,
            `${gone} deleted`,
        ]);
        const others = happened.filter((line) => !line.startsWith(gone));
        assert.deepEqual(others, ["server-1 plan begins", "server-1 plan ends"]);
    });

    it("goes as a whole without waiting for anybody", async () => {
        const result = await pulumi("destroy", "--yes", "--skip-preview");
        assert.equal(result.code, 0, result.output);
        assert.equal(readFileSync(log, "utf8"), "");
    });
});
