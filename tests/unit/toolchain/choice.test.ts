import * as assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as crypto from "node:crypto";
import * as fs from "node:fs";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import * as os from "node:os";
import * as path from "node:path";

import { choiceArguments, choiceFrom, choiceOf, versionProblem } from "../../../toolchain/choice";
import { Downloader } from "../../../toolchain/download";
import { imageReference } from "../../../toolchain/images";
import { root } from "../../../toolchain/paths";
import { Progress } from "../../../toolchain/progress";
import { Tools } from "../../../toolchain/tools";
import { keyOf, toolOf, versions } from "../../../toolchain/versions";
import { makeZip } from "./zip";

const pinned = { consul: versions.tools["consul"]!.version, nomad: versions.tools["nomad"]!.version };

describe("a version that a stack chooses", () => {
    const table: [tool: string, version: unknown, problem: RegExp | undefined][] = [
        ["consul", pinned.consul, undefined],
        ["nomad", pinned.nomad, undefined],
        ["consul", "1.18.0", undefined],
        ["consul", "1.17.9", /^must be at least 1\.18\.0: older ones do not know default_intention_policy/],
        ["consul", "0.9.3", /^must be at least/],
        ["nomad", "1.7.0", undefined],
        ["nomad", "1.6.10", /^must be at least 1\.7\.0: older ones do not know workload identities/],
        ["consul", "2.0.0", undefined],
        ["consul", "1.21", /^must be a released version such as \d+\.\d+\.\d+, all three numbers/],
        ["consul", "v1.21.0", /^must be a released version/],
        ["consul", "1.21.0-rc1", /^must be a released version/],
        ["consul", "1.021.0", /^must be a released version/],
        ["consul", "latest", /^must be a released version/],
        ["consul", "1.21.0/../../evil/1.0.0", /^must be a released version/],
        ["consul", "1.21.0\n", /^must be a released version/],
        ["consul", 1.21, /^must be a released version/],
        [
            "nomad",
            "1.10.5+ent",
            /community edition such as \d+\.\d+\.\d+: the enterprise editions ask for a lic/,
        ],
        ["nomad", "1.10.5+ent.hsm", /community edition/],
        ["envoy", "1.40.0", /only the versions of consul and nomad can be chosen/],
    ];
    for (const [tool, version, problem] of table) {
        it(`${tool} ${JSON.stringify(version)} is ${problem ? "refused" : "accepted"}`, () => {
            const found = versionProblem(tool, version);
            assert.equal(found === undefined, problem === undefined, found);
            assert.match(found ?? "", problem ?? /^$/);
        });
    }

    it("is a choice only where it is not the pinned one", () => {
        assert.deepEqual(choiceOf(undefined), {});
        assert.deepEqual(choiceOf({ ...pinned }), {});
        assert.deepEqual(choiceOf({ ...pinned, consul: "1.19.2" }), { consul: "1.19.2" });
        for (const wrong of [{ consul: "x" }, { vault: "1.2.3" }, "1.21.0", ["1.21.0"], null]) {
            assert.equal(choiceOf(wrong), undefined, JSON.stringify(wrong));
        }
    });

    it("travels to the command that builds images", () => {
        const choice = { nomad: "1.9.7", consul: "1.19.2" };
        assert.deepEqual(choiceArguments(choice), ["consul=1.19.2", "nomad=1.9.7"]);
        assert.deepEqual(choiceFrom(choiceArguments(choice)), choice);
        assert.throws(
            () => choiceFrom(["consul=1.2"]),
            (error: Error & { remedy?: string }) =>
                /^consul=1\.2: the version must be a released version/.test(error.message) &&
                /releases\.hashicorp\.com\/consul\//.test(error.remedy ?? ""),
        );
        const args = ["toolchain/cli.js", "images", "--print", "machine-routed", "registry", "consul=1.19.2"];
        const printed = execFileSync(process.execPath, args, { cwd: root, encoding: "utf8" });
        assert.deepEqual(printed.trim().split("\n"), [
            imageReference("machine-routed", { consul: "1.19.2" }),
            imageReference("registry"),
        ]);
    });

    it("is another image, with all that stand on it and nothing else", () => {
        const choice = { consul: "1.19.2" };
        const names = [
            "base",
            "machine-nomad",
            "machine-routed",
            "consul",
            "registry",
            "consul-template-base",
        ];
        const changed = names.filter((name) => imageReference(name) !== imageReference(name, choice));
        assert.deepEqual(changed, ["machine-nomad", "machine-routed", "consul"]);
        assert.equal(imageReference("machine-routed", pinned), imageReference("machine-routed"));
        assert.notEqual(
            imageReference("machine-routed", choice),
            imageReference("machine-routed", { consul: "1.19.3" }),
        );
        assert.notEqual(
            imageReference("machine-routed", choice),
            imageReference("machine-routed", { nomad: "1.19.2" }),
        );
    });

    it("has a key of its own, and neither module nor wheel to build it from", () => {
        assert.ok(keyOf("consul", "1.19.2").startsWith("1.19.2-"));
        assert.equal(keyOf("consul", pinned.consul), keyOf("consul"));
        assert.equal(toolOf("consul", "1.19.2").go, undefined);
        assert.ok(toolOf("consul", pinned.consul).go);
    });
});

describe("the release of a chosen version", () => {
    const released = "1.19.2";
    const program = Buffer.from("#!/bin/sh\necho Consul v1.19.2\n");
    const archive = makeZip({ "LICENSE.txt": { content: Buffer.from("x") }, consul: { content: program } });
    const arch = process.arch === "arm64" ? "arm64" : "amd64";
    const file = (version: string) => `consul_${version}_linux_${arch}.zip`;
    const sums = (of: Buffer, version: string) =>
        `${crypto.createHash("sha256").update(of).digest("hex")}  ${file(version)}\n`;

    let server: http.Server;
    let base: string;
    let folder: string;
    let asked: string[];
    let notes: string;
    let saved: NodeJS.ProcessEnv;

    before((done) => {
        const answers: Record<string, string | Buffer> = {
            [`/consul/${released}/consul_${released}_SHA256SUMS`]: sums(archive, released),
            [`/consul/${released}/consul_${released}_SHA256SUMS.sig`]: "no signature",
            [`/consul/${released}/${file(released)}`]: archive,
            // An archive that is not what its list says.
            "/consul/1.19.3/consul_1.19.3_SHA256SUMS": sums(program, "1.19.3"),
            "/consul/1.19.3/consul_1.19.3_SHA256SUMS.sig": "no signature",
            [`/consul/1.19.3/${file("1.19.3")}`]: archive,
        };
        server = http.createServer((request, response) => {
            asked.push(request.url ?? "");
            const answer = answers[request.url ?? ""];
            response.statusCode = answer === undefined ? 404 : 200;
            response.end(answer);
        });
        server.listen(0, "127.0.0.1", () => {
            base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
            done();
        });
    });
    after((done) => {
        server.closeAllConnections();
        server.close(() => done());
    });
    beforeEach(() => {
        folder = fs.mkdtempSync(path.join(os.tmpdir(), "gatehouse-chosen-"));
        asked = [];
        notes = "";
        saved = { ...process.env };
        fs.mkdirSync(path.join(folder, "bin"));
        // Neither gpg, which would refuse the signature, nor a consul, nor a compiler.
        process.env["PATH"] = path.join(folder, "bin");
        process.env["GATEHOUSE_CACHE"] = path.join(folder, "cache");
        delete process.env["GATEHOUSE_SOURCE"];
        delete process.env["GATEHOUSE_REQUIRE_SIGNATURES"];
    });
    afterEach(() => {
        for (const name of ["PATH", "GATEHOUSE_CACHE", "GATEHOUSE_SOURCE", "GATEHOUSE_REQUIRE_SIGNATURES"]) {
            if (saved[name] === undefined) {
                delete process.env[name];
            } else {
                process.env[name] = saved[name];
            }
        }
        fs.rmSync(folder, { recursive: true });
    });

    /** Asks the server above instead of the vendor. */
    class Mirror extends Downloader {
        constructor(private readonly host: string) {
            super({ allowHttp: true, env: {} });
        }
        override open(url: URL, method: "GET" | "HEAD", redirects: number) {
            assert.equal(url.host, "releases.hashicorp.com");
            return super.open(new URL(url.pathname, this.host), method, redirects);
        }
    }

    const tools = (host = base) =>
        new Tools({
            progress: new Progress({ stream: { write: (text: string) => ((notes += text), true) } }),
            downloader: new Mirror(host),
        });
    const refusal = async (work: Promise<unknown>): Promise<{ message: string; remedy: string }> => {
        const error = await work.then(
            () => assert.fail("it is accepted"),
            (error: Error & { remedy?: string }) => error,
        );
        return { message: error.message, remedy: error.remedy ?? "" };
    };

    it("is fetched, verified, and kept beside the pinned one", async () => {
        const file = await tools().ensure("consul", released);
        assert.equal(fs.readFileSync(file, "utf8"), program.toString());
        assert.match(file, /\/tools\/consul\/1\.19\.2-[0-9a-f]{8}\/consul$/);
        assert.match(notes, /the checksum is verified, the vendor's signature is not/);
        asked = [];
        assert.equal(await tools().ensure("consul", released), file);
        await tools().check({ consul: released });
        assert.deepEqual(asked, [], "what is in the cache is not fetched again");
    });

    it("is taken from PATH where it is there, and nobody is asked", async function () {
        if (process.platform !== "linux") {
            this.skip(); // What is on PATH elsewhere does not run in the machines.
        }
        const own = path.join(folder, "bin", "consul");
        fs.writeFileSync(own, program, { mode: 0o755 });
        process.env["PATH"] += ":/bin";
        assert.equal(await tools().ensure("consul", released), own);
        await tools().check({ consul: released });
        assert.deepEqual(asked, []);
    });

    it("that the vendor does not know is an unknown version, also in a preview, which fetches lists alone", async () => {
        for (const work of [
            () => tools().ensure("consul", "1.99.9"),
            () => tools().check({ consul: "1.99.9" }),
        ]) {
            const { message, remedy } = await refusal(work());
            assert.match(message, /^gatehouse:versions\.consul: unknown version 1\.99\.9 .*answered 404/);
            assert.match(remedy, /^https:\/\/releases\.hashicorp\.com\/consul\/ lists the versions/);
        }
        asked = [];
        await tools().check({ consul: released });
        assert.deepEqual(asked, [`/consul/${released}/consul_${released}_SHA256SUMS`]);
    });

    it("that is not what its list says is refused, and not built", async () => {
        const { message, remedy } = await refusal(tools().ensure("consul", "1.19.3"));
        assert.match(
            message,
            /^gatehouse:versions\.consul: consul 1\.19\.3 cannot be had: .*has the checksum/,
        );
        assert.match(
            remedy,
            new RegExp(`other versions than ${pinned.consul}: .*on PATH, or remove the setting`),
        );
        assert.deepEqual(fs.readdirSync(path.join(folder, "cache/tools/consul")), []);
    });

    it("whose signature cannot be checked is refused where signatures are asked for", async () => {
        process.env["GATEHOUSE_REQUIRE_SIGNATURES"] = "1";
        const { message } = await refusal(tools().ensure("consul", released));
        assert.match(message, /cannot be had: .*neither gpgv nor gpg is installed/);
    });

    it("cannot be had where the vendor does not answer, or nothing may be fetched", async () => {
        const gone = http.createServer().listen(0, "127.0.0.1");
        await new Promise((resolve) => gone.once("listening", resolve));
        const nobody = `http://127.0.0.1:${(gone.address() as AddressInfo).port}`;
        await new Promise((resolve) => gone.close(resolve));
        for (const work of [
            () => tools(nobody).ensure("consul", released),
            () => tools(nobody).check({ consul: released }),
        ]) {
            const { message, remedy } = await refusal(work());
            assert.match(
                message,
                /^gatehouse:versions\.consul: consul 1\.19\.2 cannot be had: .*cannot be reach/,
            );
            assert.match(remedy, /give this computer access to releases\.hashicorp\.com/);
        }
        process.env["GATEHOUSE_SOURCE"] = "build";
        assert.match((await refusal(tools().ensure("consul", released))).message, /GATEHOUSE_SOURCE=build/);
    });
});
