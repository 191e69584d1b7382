import * as assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

import { buildArguments } from "../../../toolchain/imagebuild";
import { baseImages, contextFiles, imageOf, imageReference, withParents } from "../../../toolchain/images";
import { root } from "../../../toolchain/paths";
import { aptSources, mirrorsIn } from "../../../toolchain/rootimage";

describe("imageReference", () => {
    for (const name of ["root", ...Object.keys(baseImages)]) {
        it(`is a valid, stable reference for ${name}`, () => {
            assert.match(imageReference(name), /^gatehouse\/[a-z-]+:(bookworm-)?[0-9a-f]{12}$/);
            assert.equal(imageReference(name), imageReference(name));
        });
    }

    it("names the images that exist when asked for another", () => {
        assert.throws(
            () => imageReference("machina"),
            (error: Error & { remedy?: string }) =>
                /machina/.test(error.message) && /machine-nomad/.test(error.remedy ?? ""),
        );
    });

    describe("follows what decides the content", () => {
        let copy: string;
        beforeEach(() => {
            copy = fs.mkdtempSync(path.join(os.tmpdir(), "gatehouse-images-"));
            fs.cpSync(path.join(root, "toolchain"), path.join(copy, "toolchain"), { recursive: true });
            fs.cpSync(path.join(root, "images"), path.join(copy, "images"), { recursive: true });
        });
        afterEach(() => fs.rmSync(copy, { recursive: true }));

        function referencesOfCopy(): Record<string, string> {
            const names = ["base", "machine-nomad", "registry", "envoy-base"];
            const script = `const { imageReference } = require("./toolchain/images.js");
                console.log(JSON.stringify(${JSON.stringify(names)}.map(imageReference)))`;
            const output = execFileSync(process.execPath, ["-e", script], { cwd: copy, encoding: "utf8" });
            return Object.fromEntries(
                (JSON.parse(output) as string[]).map((reference, i) => [names[i]!, reference]),
            );
        }

        function changed(change: () => void): string[] {
            const before = referencesOfCopy();
            change();
            const after = referencesOfCopy();
            return Object.keys(before).filter((name) => before[name] !== after[name]);
        }

        it("a file of the context", () => {
            const file = path.join(copy, "images/registry/config.yml");
            assert.deepEqual(
                changed(() => fs.appendFileSync(file, "# x\n")),
                ["registry"],
            );
        });

        it("whether a file is executable", () => {
            const file = path.join(copy, "images/machine/files/usr/local/sbin/machine-entrypoint");
            assert.deepEqual(
                changed(() => fs.chmodSync(file, fs.statSync(file).mode ^ 0o111)),
                ["machine-nomad"],
            );
        });

        it("the parent, with all that stand on it", () => {
            const file = path.join(copy, "images/base/Dockerfile");
            assert.equal(changed(() => fs.appendFileSync(file, "# x\n")).length, 4);
        });

        it("the version of a tool in it", () => {
            const file = path.join(copy, "toolchain/versions.json");
            const text = fs.readFileSync(file, "utf8");
            const raise = () =>
                fs.writeFileSync(file, text.replace('"version": "1.40.0"', '"version": "1.40.1"'));
            assert.deepEqual(changed(raise), ["envoy-base"]);
        });

        it("but neither notes for people nor another run's staged tools", () => {
            const add = () => {
                fs.writeFileSync(path.join(copy, "images/machine/README.md"), "x");
                fs.mkdirSync(path.join(copy, "images/machine/tools"));
                fs.writeFileSync(path.join(copy, "images/machine/tools/consul"), "x");
            };
            assert.deepEqual(changed(add), []);
        });
    });
});

describe("base images", () => {
    for (const name of Object.keys(baseImages)) {
        it(`${name} has a Dockerfile that takes its parent and its tools as agreed`, () => {
            const image = imageOf(name);
            const dockerfile = fs.readFileSync(path.join(root, image.context, "Dockerfile"), "utf8");
            const [arg, from] = dockerfile.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
            assert.equal(arg, "ARG PARENT");
            assert.match(from ?? "", /^FROM \$\{PARENT\}( AS \w+)?$/);
            if (image.tools.length > 0) {
                assert.match(dockerfile, /^COPY tools\//m);
            }
            assert.doesNotMatch(
                dockerfile,
                /^RUN --mount|^COPY --link|<<E/m,
                "engines without BuildKit must understand it",
            );
            assert.ok(contextFiles(image).includes("Dockerfile"));
        });
    }

    it("are built after their parents", () => {
        const order = withParents(["machine-nomad", "registry", "base"]);
        assert.deepEqual(order, ["root", "base", "machine-nomad", "registry"]);
        const whole = ["root", "base", "machine-nomad", "machine-routed"];
        assert.deepEqual(withParents(["machine-routed"]), whole);
    });

    it("are told about the user's proxy, and about nothing else of the environment", () => {
        const args = buildArguments("gatehouse/x:1", "gatehouse/y:2", "/c", {
            https_proxy: "http://p:1",
            TOKEN: "s",
        });
        assert.deepEqual(args, [
            "build",
            "--build-arg",
            "PARENT=gatehouse/y:2",
            "--build-arg",
            "https_proxy",
            "--force-rm",
            "--tag",
            "gatehouse/x:1",
            "/c",
        ]);
    });
});

describe("the root image's package sources", () => {
    it("are the image's own unless this computer uses mirrors of Debian", () => {
        const ubuntu = "Types: deb\nURIs: http://archive.example/ubuntu/\nSuites: noble\n";
        for (const text of ["", ubuntu, "deb https://deb.example/node_20.x nodistro main\n"]) {
            assert.equal(mirrorsIn(text), undefined);
        }
    });

    it("have security updates beside the archive where nothing else is said, as debootstrap leaves it", () => {
        assert.deepEqual(mirrorsIn("deb http://m.example/debian bookworm main\n"), {
            archive: "http://m.example/debian",
            security: "http://m.example/debian-security",
        });
    });

    it("are this computer's mirrors, in either format, and not the lines that are commented out", () => {
        const expected = {
            archive: "http://m.example/debian",
            security: "https://s.example/debian-security",
        };
        const stanzas =
            "Types: deb\n# http://snapshot.example/debian\nURIs: http://m.example/debian\nSuites: bookworm\n\n" +
            "Types: deb\nURIs: https://s.example/debian-security/\nSuites: bookworm-security\n";
        assert.deepEqual(mirrorsIn(stanzas), expected);
        const lines =
            "#deb http://old.example/debian bookworm main\ndeb [arch=amd64] http://m.example/debian bookworm main\n" +
            "deb-src http://src.example/debian bookworm main\ndeb https://s.example/debian-security/ bookworm-security main\n";
        assert.deepEqual(mirrorsIn(lines), expected);
    });

    it("cover updates and security, and check signatures", () => {
        const text = aptSources({ archive: "http://a/debian", security: "http://s/debian-security" });
        assert.match(text, /URIs: http:\/\/a\/debian\nSuites: bookworm bookworm-updates\n/);
        assert.match(text, /URIs: http:\/\/s\/debian-security\nSuites: bookworm-security\n/);
        assert.equal(text.match(/^Signed-By: /gm)?.length, 2);
    });
});
