import * as assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { FoundingSettings } from "./etcd-founding-program";
import { keys, LoggedMachine } from "./roll-ssh";
import { EngineStack } from "./security-engine";

describe("who founds an etcd cluster, with the real engine", function () {
    this.timeout("3m");
    const folder = mkdtempSync(join(tmpdir(), "gatehouse-founding-"));
    const seeds = join(folder, "seeds");
    let stack: EngineStack<FoundingSettings, { token: string }>;
    let machines: LoggedMachine[] = [];
    let token: string;

    const names = [1, 2, 3, 4, 5].map((each) => `etcd-${each}`);
    before(async () => {
        machines = await Promise.all(names.map((name) => LoggedMachine.start(name, join(folder, "log"))));
        const module = join(__dirname, "etcd-founding-program.ts");
        stack = await EngineStack.make({ module, function: "foundingProgram" });
    });
    after(() => {
        machines.forEach((machine) => machine.stop());
        stack?.remove();
        rmSync(folder, { recursive: true, force: true });
    });

    const settings = (count: number, replaced?: string): FoundingSettings => ({
        folder: seeds,
        privateKey: keys.operator.private,
        hostKey: keys.host.public,
        nodes: names.slice(0, count).map((name, index) => ({
            name,
            port: machines[index]!.port,
            instance: name === replaced ? "second" : "first",
        })),
    });

    it("all that are there at first: each has the cluster's token as its seed", async () => {
        ({ token } = (await stack.up(settings(3))).outputs);
        for (const name of names.slice(0, 3)) {
            assert.equal(readFileSync(join(seeds, name), "utf8"), token);
        }
        await stack.previewsNothing(settings(3));
    });

    it("not the successor of a machine", async () => {
        rmSync(seeds, { recursive: true });
        const { outputs } = await stack.up(settings(3, "etcd-2"));
        assert.equal(outputs.token, token);
        assert.throws(() => readdirSync(seeds), /ENOENT/);
    });

    it("not those that are added later, and the cluster is still the same", async () => {
        const { outputs } = await stack.up(settings(5, "etcd-2"));
        assert.equal(outputs.token, token);
        assert.throws(() => readdirSync(seeds), /ENOENT/);
        await stack.previewsNothing(settings(5, "etcd-2"));
    });

    it("all of them again, with another token, when the cluster is made anew", async () => {
        await stack.destroy();
        const { outputs } = await stack.up(settings(5));
        assert.notEqual(outputs.token, token);
        assert.deepEqual(readdirSync(seeds).sort(), names);
    });
});
