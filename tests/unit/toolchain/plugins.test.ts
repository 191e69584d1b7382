import * as assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

import type { Downloader } from "../../../toolchain/download";
import { ensurePlugins, explain, type PluginContext } from "../../../toolchain/plugins";
import { Progress } from "../../../toolchain/progress";
import type { Tools } from "../../../toolchain/tools";
import { versions } from "../../../toolchain/versions";

/** `pulumi plugin install`, which makes a folder, and fails for what is in $FAKE_REFUSE. */
const fakePulumi = `#!/bin/sh
echo "$@" >> "$HOME/calls"
for name in $FAKE_REFUSE; do [ "$4" = "$name" ] && [ "$6" != --file ] && exit 1; done
folder="\${PULUMI_HOME:-$HOME/.pulumi}/plugins/resource-$4-v$5"
mkdir -p "$folder"
if [ "$6" = --file ]; then cp "$7"/* "$folder"; else echo official > "$folder/pulumi-resource-$4"; fi
`;

describe("provider plugins", function () {
    this.timeout(60_000);
    const names = ["random", "command"];
    let home: string;
    let saved: NodeJS.ProcessEnv;
    let probes: string[];

    beforeEach(() => {
        home = fs.mkdtempSync(path.join(os.tmpdir(), "gatehouse-plugins-"));
        fs.writeFileSync(path.join(home, "pulumi"), fakePulumi, { mode: 0o755 });
        saved = { ...process.env };
        process.env["HOME"] = home;
        process.env["GATEHOUSE_CACHE"] = path.join(home, "cache");
        delete process.env["PULUMI_HOME"];
        delete process.env["GATEHOUSE_SOURCE"];
        probes = [];
    });
    afterEach(() => {
        for (const name of ["HOME", "GATEHOUSE_CACHE", "PULUMI_HOME", "GATEHOUSE_SOURCE", "FAKE_REFUSE"]) {
            if (saved[name] === undefined) {
                delete process.env[name];
            } else {
                process.env[name] = saved[name];
            }
        }
        fs.rmSync(home, { recursive: true });
    });

    function context(reachable: boolean): PluginContext {
        return {
            progress: new Progress({ stream: { write: () => true } }),
            downloader: {
                reachable: (address: string) => {
                    probes.push(address);
                    return Promise.resolve(reachable);
                },
            } as unknown as Downloader,
            tools: { ensure: () => Promise.resolve(path.join(home, "pulumi")) } as unknown as Tools,
            packages: Promise.resolve(),
        };
    }

    const pluginIn = (folder: string, name: string): string =>
        path.join(
            folder,
            "plugins",
            `resource-${name}-v${versions.plugins[name]}`,
            `pulumi-resource-${name}`,
        );
    const calls = (): string[] =>
        fs.existsSync(path.join(home, "calls"))
            ? fs.readFileSync(path.join(home, "calls"), "utf8").trim().split("\n")
            : [];

    function installOfficial(name: string): void {
        const file = pluginIn(path.join(home, ".pulumi"), name);
        fs.mkdirSync(path.dirname(file), { recursive: true });
        fs.writeFileSync(file, "official\n");
    }

    it("are left alone when the official ones are there", async () => {
        names.forEach(installOfficial);
        assert.deepEqual(await ensurePlugins(names, context(true)), { standIns: [] });
        assert.deepEqual([probes, calls()], [[], []]);
    });

    it("are the official ones where they can be downloaded", async () => {
        installOfficial("random");
        assert.deepEqual(await ensurePlugins(names, context(true)), { standIns: [] });
        assert.deepEqual(calls(), [
            `plugin install resource command ${versions.plugins["command"]} --non-interactive`,
        ]);
    });

    it("are stand-ins, away from the user's own, where they cannot", async () => {
        const plugins = await ensurePlugins(names, context(false));
        assert.deepEqual(plugins.standIns, names);
        assert.ok(plugins.home?.startsWith(path.join(home, "cache", "pulumi-home")));
        assert.ok(!fs.existsSync(path.join(home, ".pulumi")));
        assert.match(explain(plugins), /stand-ins for random, command, because .* cannot be downloaded/);
        assert.equal(probes.length, 2);
    });

    it("are stand-ins that really start as plugins", async () => {
        const plugins = await ensurePlugins(["random"], context(false));
        const child = spawn(pluginIn(plugins.home ?? "", "random"), ["127.0.0.1:1"], {
            stdio: ["ignore", "pipe", "ignore"],
        });
        try {
            const [port] = await once(child.stdout, "data");
            assert.match(String(port), /^\d+\n$/);
            const ended = once(child, "exit");
            child.kill("SIGINT"); // The engine's way to end one; it waits five seconds for those that ignore it.
            await Promise.race([
                ended,
                new Promise<never>((_, reject) =>
                    setTimeout(() => reject(new Error("still runs after 4 s")), 4000),
                ),
            ]);
        } finally {
            child.kill("SIGKILL");
        }
    });

    it("are stand-ins only for those that cannot be installed", async () => {
        process.env["FAKE_REFUSE"] = "command";
        const plugins = await ensurePlugins(names, context(true));
        assert.deepEqual(plugins.standIns, ["command"]);
        assert.equal(fs.readFileSync(pluginIn(plugins.home ?? "", "random"), "utf8"), "official\n");
        assert.match(
            fs.readFileSync(pluginIn(plugins.home ?? "", "command"), "utf8"),
            /^#!\/usr\/bin\/env node/,
        );
    });

    it("are not made or asked about again while nothing has changed", async () => {
        const first = await ensurePlugins(names, context(false));
        const before = calls().length;
        assert.deepEqual(await ensurePlugins(names, context(false)), first);
        assert.equal(calls().length, before);
        assert.equal(probes.length, 2);
    });

    it("are looked for again a day later", async () => {
        await ensurePlugins(names, context(false));
        const yesterday = new Date(Date.now() - 25 * 3_600_000);
        fs.utimesSync(path.join(home, "cache", "plugins-unreachable"), yesterday, yesterday);
        assert.deepEqual(await ensurePlugins(names, context(true)), { standIns: [] });
    });

    it("are not taken for installed while Pulumi is still unpacking them", async () => {
        names.forEach(installOfficial);
        fs.writeFileSync(`${path.dirname(pluginIn(path.join(home, ".pulumi"), "random"))}.partial`, "");
        const plugins = await ensurePlugins(names, context(false));
        assert.deepEqual(plugins.standIns, ["random"]);
    });
});
