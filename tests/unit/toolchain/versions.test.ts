import * as assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";

import { withParents, baseImages } from "../../../toolchain/images";
import { root } from "../../../toolchain/paths";
import {
    labs,
    keyOf,
    needsOf,
    packageVersions,
    snapshotNeedsOf,
    versions,
} from "../../../toolchain/versions";

function goModOf(module: string): string {
    return fs.readFileSync(path.join(root, "toolchain", "modules", module, "go.mod"), "utf8");
}

describe("toolchain/versions.json", () => {
    for (const [name, tool] of Object.entries(versions.tools)) {
        if (tool.go === undefined) {
            continue;
        }
        const { go } = tool;

        it(`agrees with the Go module of ${name}`, () => {
            const text = goModOf(go.module);
            assert.match(text, new RegExp(`^(tool )?\\s*${go.package.replace(/[.]/g, "\\.")}$`, "m"));
            // The module is the longest required path that the package lies in.
            const required = [...text.matchAll(/^\s*(?:require )?(\S+) (v\S+)(?: \/\/ indirect)?$/gm)]
                .filter(([, module]) => go.package === module || go.package.startsWith(`${module}/`))
                .sort(([, a], [, b]) => b!.length - a!.length);
            assert.equal(required[0]?.[2], `v${tool.version}`);
        });
    }

    it("stamps the Pulumi CLI with its own version", () => {
        assert.ok(
            versions.tools["pulumi"]?.go?.ldflags.endsWith(
                `version.Version=v${versions.tools["pulumi"].version}`,
            ),
        );
    });

    it("agrees with package.json on every plugin", () => {
        const packages = packageVersions();
        for (const [name, version] of Object.entries(versions.plugins)) {
            assert.equal(packages[name], version, `@pulumi/${name}`);
        }
    });

    it("agrees with package.json on Node and the engine", () => {
        const manifest = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"));
        assert.equal(`${manifest.engines.node}.0`, versions.node);
        assert.equal(packageVersions()["pulumi"], versions.tools["pulumi"]?.version);
    });

    it("pins a wheel's hash for both processors", () => {
        const wheels = Object.values(versions.tools).flatMap(({ wheel }) => wheel ?? []);
        assert.ok(wheels.length >= 2);
        for (const wheel of wheels) {
            for (const arch of ["amd64", "arm64"]) {
                assert.match(wheel.sha256[arch] ?? "", /^[0-9a-f]{64}$/);
                assert.match(wheel.platforms[arch] ?? "", /^manylinux/);
            }
        }
    });

    it("takes a wheel's program from the place that carries the pinned version", () => {
        const { version, wheel } = versions.tools["traefik"] ?? {};
        assert.ok(wheel?.file.includes(`-${version}.data/`), wheel?.file);
    });

    it("gives each tool a key of its own that starts with its version", () => {
        const keys = Object.keys(versions.tools).map((name) => keyOf(name));
        assert.equal(new Set(keys).size, keys.length);
        assert.ok(keyOf("consul").startsWith(`${versions.tools["consul"]?.version}-`));
    });
});

describe("toolchain/labs.json", () => {
    for (const lab of Object.keys(labs).filter((name) => name !== "$comment")) {
        it(`names only what exists for ${lab}`, () => {
            for (const needs of [needsOf(lab), needsOf(lab, undefined, "linode"), snapshotNeedsOf(lab)]) {
                for (const tool of [
                    ...needs.tools,
                    ...withParents(needs.images).flatMap((name) => baseImages[name]?.tools ?? []),
                ]) {
                    assert.ok(tool in versions.tools, tool);
                }
                for (const plugin of needs.plugins) {
                    assert.ok(plugin in versions.plugins, plugin);
                }
            }
        });
    }

    it("wants no machine's image for Linode, whose machines boot Linode's own, but Linode's plugin", () => {
        for (const lab of ["nomad", "routed"]) {
            const [docker, linode] = [needsOf(lab), needsOf(lab, undefined, "linode")];
            const gone = docker.images.filter((name) => !linode.images.includes(name));
            assert.deepEqual(gone, [`machine-${lab}`, "registry"]);
            assert.deepEqual(linode.tools, docker.tools);
            assert.deepEqual([...linode.plugins].sort(), [...docker.plugins, "linode"].sort());
        }
    });

    it("wants for snapshots the programs of what the lab runs, and no others", () => {
        assert.deepEqual(snapshotNeedsOf("routed").tools, ["consul", "nomad"]);
        assert.deepEqual(snapshotNeedsOf("etcd").tools, ["etcd", "etcdctl"]);
        assert.deepEqual(snapshotNeedsOf("sticky").tools, []);
    });

    it("refuses an unknown lab, naming the setting and the choices", () => {
        assert.throws(
            () => needsOf("nomda"),
            (error: Error & { remedy?: string }) =>
                error.message.includes("gatehouse:lab") &&
                error.message.includes("nomda") &&
                /nomad/.test(error.remedy ?? ""),
        );
    });
});
