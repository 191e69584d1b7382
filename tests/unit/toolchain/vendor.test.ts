import * as assert from "node:assert/strict";

import { checksumOf } from "../../../toolchain/download";
import { releaseOf, vendors, type Platform } from "../../../toolchain/vendor";
import { versions } from "../../../toolchain/versions";

const platforms: Platform[] = [
    { os: "linux", arch: "amd64" },
    { os: "linux", arch: "arm64" },
    { os: "darwin", arch: "amd64" },
    { os: "darwin", arch: "arm64" },
];

/** As the vendors' download pages name them; `-` where there is no release. */
const expected: Record<string, string[]> = {
    "pulumi 3.245.0": ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64"].map(
        (platform) =>
            `https://github.com/pulumi/pulumi/releases/download/v3.245.0/pulumi-v3.245.0-${platform}.tar.gz`,
    ),
    "consul 1.21.0": ["linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64"].map(
        (platform) => `https://releases.hashicorp.com/consul/1.21.0/consul_1.21.0_${platform}.zip`,
    ),
    "nomad 1.10.5": ["linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64"].map(
        (platform) => `https://releases.hashicorp.com/nomad/1.10.5/nomad_1.10.5_${platform}.zip`,
    ),
    "consul-template 0.41.1": ["linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64"].map(
        (platform) =>
            `https://releases.hashicorp.com/consul-template/0.41.1/consul-template_0.41.1_${platform}.zip`,
    ),
    "etcd 3.5.21": ["linux-amd64", "linux-arm64"]
        .map(
            (platform) =>
                `https://github.com/etcd-io/etcd/releases/download/v3.5.21/etcd-v3.5.21-${platform}.tar.gz`,
        )
        .concat("-", "-"),
    "confd 0.30.0": ["linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64"].map(
        (platform) =>
            `https://github.com/abtreece/confd/releases/download/v0.30.0/confd-v0.30.0-${platform}.tar.gz`,
    ),
    "envoy 1.40.0": ["linux-x86_64", "linux-aarch_64"]
        .map(
            (platform) =>
                `https://github.com/envoyproxy/envoy/releases/download/v1.40.0/envoy-1.40.0-${platform}`,
        )
        .concat("-", "-"),
    "traefik 3.7.15": ["linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64"].map(
        (platform) =>
            `https://github.com/traefik/traefik/releases/download/v3.7.15/traefik_v3.7.15_${platform}.tar.gz`,
    ),
};

describe("vendors' releases", () => {
    for (const [title, addresses] of Object.entries(expected)) {
        const [name, version] = title.split(" ") as [string, string];
        it(`of ${name}`, () => {
            const found = platforms.map((platform) => releaseOf(name, version, platform)?.address ?? "-");
            assert.deepEqual(found, addresses);
        });
    }

    it("exist for every pinned tool on the machines' platform", () => {
        for (const [name, { version }] of Object.entries(versions.tools)) {
            if (name !== "pulumi-language-nodejs") {
                assert.ok(releaseOf(name, version, { os: "linux", arch: "amd64" }), name);
            }
        }
    });

    it("come with a checksum list from the same folder, over https", () => {
        for (const name of Object.keys(vendors)) {
            const release = releaseOf(name, "1.2.3", { os: "linux", arch: "arm64" });
            assert.ok(release);
            assert.ok(release.address.startsWith("https://"));
            assert.equal(new URL(".", release.sums).href, new URL(".", release.address).href);
        }
    });

    it("are signed where HashiCorp makes them", () => {
        for (const name of ["consul", "nomad", "consul-template"]) {
            const release = releaseOf(name, "1.2.3", { os: "linux", arch: "amd64" });
            assert.equal(release?.signature, `${release?.sums}.sig`);
            assert.equal(release?.signer, "hashicorp");
        }
    });

    it("carry the language host beside the Pulumi CLI", () => {
        const release = releaseOf("pulumi", "3.245.0", { os: "darwin", arch: "arm64" });
        assert.deepEqual(Object.keys(release?.programs ?? {}), ["pulumi", "pulumi-language-nodejs"]);
    });
});

describe("checksumOf", () => {
    const sum = "a".repeat(64);
    const other = "b".repeat(64);

    it("reads plain, binary-mode and relative names", () => {
        for (const line of [
            `${sum}  tool.zip`,
            `${sum} *tool.zip`,
            `${sum}  ./tool.zip`,
            `${sum.toUpperCase()}  tool.zip`,
        ]) {
            assert.equal(checksumOf(`${other}  tool.zip.sig\n${line}\n`, "tool.zip"), sum, line);
        }
    });

    it("reads a clear-signed list", () => {
        const list = `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n${sum}  envoy\n-----BEGIN PGP SIGNATURE-----\nxyz\n`;
        assert.equal(checksumOf(list, "envoy"), sum);
    });

    it("does not take another file's sum, or part of one", () => {
        assert.equal(checksumOf(`${other}  tool.zip.old\n${other}  a-tool.zip\n`, "tool.zip"), undefined);
        assert.equal(checksumOf(`${sum.slice(1)}  tool.zip\n`, "tool.zip"), undefined);
    });
});
