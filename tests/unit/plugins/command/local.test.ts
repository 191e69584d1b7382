import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { commandProvider } from "../../../../plugins/command/provider";
import type { Values } from "../../../../plugins/lib";
import { ProviderHarness, Secret, UNKNOWN } from "../../../support/provider-harness";

const type = "command:local:Command";

describe("command plugin, local.Command", () => {
    let harness: ProviderHarness;
    let folder: string;
    beforeEach(async () => {
        harness = await ProviderHarness.start(commandProvider);
        folder = mkdtempSync(join(tmpdir(), "local-command-"));
    });
    afterEach(() => {
        harness.close();
        rmSync(folder, { recursive: true });
    });

    const shown = (): string[] => harness.logs.filter((line) => !line.ephemeral).map((line) => line.message);

    it("runs create, and gives its output without the last line's end", async () => {
        const { id, outputs } = await harness.create(
            type,
            { create: "echo out; echo; echo err >&2" },
            { name: "greet" },
        );
        assert.match(id, /^greet[0-9a-f]{8}$/);
        assert.equal(outputs.stdout, "out\n");
        assert.equal(outputs.stderr, "err");
        assert.deepEqual(shown().sort(), ["err", "out"]);
    });

    it("takes environment, directory, interpreter and standard input", async () => {
        const { outputs } = await harness.create(type, {
            create: 'import os, sys; print(os.environ["WHO"], os.getcwd(), sys.stdin.read())',
            interpreter: ["python3", "-c"],
            environment: { WHO: "me" },
            dir: folder,
            stdin: "typed",
        });
        assert.equal(outputs.stdout, `me ${folder} typed`);
    });

    it("reruns on any change: update if there is one, else create, with the previous output", async () => {
        const inputs = { create: "echo first", update: 'echo "after $PULUMI_COMMAND_STDOUT"' };
        const { id, outputs } = await harness.create(type, inputs);
        const news = { ...inputs, environment: { A: "1" } };
        const diff = await harness.diff(type, id, outputs, inputs, news);
        assert.deepEqual(diff.paths, { environment: "ADD" });
        const updated = await harness.update(type, id, outputs, inputs, news);
        assert.equal(updated.stdout, "after first");
        const again = await harness.update(type, id, outputs, news, {
            create: "echo ${PULUMI_COMMAND_STDOUT:-none}",
            addPreviousOutputInEnv: false,
        });
        assert.equal(again.stdout, "none");
    });

    it("plans unknown output for a changed command, and the known one otherwise", async () => {
        const inputs = { create: "echo x" };
        const { id, outputs } = await harness.create(type, inputs);
        const planned = await harness.update(
            type,
            id,
            outputs,
            inputs,
            { create: "echo y" },
            { preview: true },
        );
        assert.equal(planned.stdout, UNKNOWN);
        const created = await harness.create(type, { create: UNKNOWN }, { preview: true });
        assert.equal(created.outputs.stdout, UNKNOWN);
    });

    it("replaces when a trigger changes", async () => {
        const old = { create: "true", triggers: ["a", { b: 1 }] };
        const diff = await harness.diff(type, "x", old, old, { create: "true", triggers: ["a", { b: 2 }] });
        assert.deepEqual(diff.paths, { "triggers[1]": "UPDATE_REPLACE" });
        const same = await harness.diff(type, "x", old, old, structuredClone(old));
        assert.equal(same.changed, false);
    });

    it("runs delete, and nothing without one", async () => {
        const file = join(folder, "deleted");
        const state: Values = {
            create: "true",
            delete: `echo "$PULUMI_COMMAND_STDOUT" > ${file}`,
            stdout: "old",
            stderr: "",
            addPreviousOutputInEnv: true,
        };
        await harness.delete(type, "x", state);
        assert.equal(readFileSync(file, "utf8"), "old\n");
        await harness.delete(type, "x", { create: "true", stdout: "", stderr: "" });
    });

    it("shows status, command and output of a failure, and keeps no state", async () => {
        await assert.rejects(
            harness.create(type, { create: "echo before; echo why >&2; exit 3" }),
            (error: Error) => {
                assert.match(error.message, /^exit status 3: running "echo before; echo why >&2; exit 3":\n/);
                assert.match(error.message, /before\n/);
                assert.match(error.message, /why\n/);
                return true;
            },
        );
        await assert.rejects(
            harness.create(type, { create: "true", dir: "/nowhere" }),
            /does the directory dir=\/nowhere exist/,
        );
    });

    it("logs what logging says", async () => {
        const create = "echo out; echo err >&2";
        const { outputs } = await harness.create(type, { create, logging: "stderr" });
        assert.deepEqual(shown(), ["err"]);
        assert.equal(outputs.stdout, "out");
        await harness.create(type, { create, logging: "none" });
        assert.deepEqual(shown(), ["err"]);
    });

    it("stops a cancelled command with all that it has started", async () => {
        const file = join(folder, "alive");
        const running = assert.rejects(
            harness.create(type, { create: `sh -c 'echo started; sleep 30; echo > ${file}'; true` }),
            /cancelled/,
        );
        const deadline = Date.now() + 10_000;
        while (!shown().includes("started")) {
            assert.ok(Date.now() < deadline, "it never started");
            await new Promise((resolve) => setTimeout(resolve, 20));
        }
        const cancelled = Date.now();
        await harness.cancel();
        await running;
        // Before the command would be killed, five seconds later.
        assert.ok(Date.now() - cancelled < 4500, "it waited for the end");
        assert.equal(existsSync(file), false);
    });

    it("keeps secret inputs secret, and outputs as the official plugin does", async () => {
        const { outputs } = await harness.create(type, {
            create: "echo $TOKEN",
            environment: { TOKEN: new Secret("t") },
        });
        assert.deepEqual((outputs.environment as Values).TOKEN, new Secret("t"));
        assert.equal(outputs.stdout, "t");
    });

    it("refuses assets by name", async () => {
        const { failures } = await harness.check(type, { create: "true", assetPaths: ["*"], logging: "all" });
        assert.deepEqual(failures.map((failure) => failure.property).sort(), ["assetPaths", "logging"]);
        assert.match(failures[0]?.reason ?? "", /official plugin|one of/);
    });
});
