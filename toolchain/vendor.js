// @ts-check
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { unzipFile, untarFile } = require("./archive");
const { checksumOf, DownloadError } = require("./download");
const { signers, verifySignature } = require("./signature");

/**
 * @typedef {{ os: "linux" | "darwin", arch: "amd64" | "arm64" }} Platform
 *
 * A vendor's release of one tool for one platform.
 * @typedef {object} Release
 * @property {string} address the archive (or the bare program)
 * @property {string} sums the list with its SHA-256
 * @property {string} [signature] a detached signature of the list
 * @property {keyof typeof signers} [signer]
 * @property {"zip" | "tar.gz" | "bare"} format
 * @property {Record<string, string>} programs file name in the tool's folder → place in the archive
 */

/** @type {Record<string, (version: string, platform: Platform) => Release | undefined>} */
const vendors = {
    pulumi: pulumiRelease,
    consul: (version, platform) => hashicorpRelease("consul", version, platform),
    nomad: (version, platform) => hashicorpRelease("nomad", version, platform),
    "consul-template": (version, platform) => hashicorpRelease("consul-template", version, platform),
    etcd: (version, platform) => etcdRelease("etcd", version, platform),
    etcdctl: (version, platform) => etcdRelease("etcdctl", version, platform),
    confd: confdRelease,
    envoy: envoyRelease,
    traefik: traefikRelease,
};

/** Pulumi's archive holds the language hosts too. @param {string} version @param {Platform} platform @returns {Release} */
function pulumiRelease(version, { os, arch }) {
    const base = `https://github.com/pulumi/pulumi/releases/download/v${version}`;
    return {
        address: `${base}/pulumi-v${version}-${os}-${arch === "amd64" ? "x64" : "arm64"}.tar.gz`,
        sums: `${base}/pulumi-${version}-checksums.txt`,
        format: "tar.gz",
        programs: { pulumi: "pulumi/pulumi", "pulumi-language-nodejs": "pulumi/pulumi-language-nodejs" },
    };
}

/** @param {string} name @param {string} version @param {Platform} platform @returns {Release} */
function hashicorpRelease(name, version, { os, arch }) {
    const base = `https://releases.hashicorp.com/${name}/${version}`;
    return {
        address: `${base}/${name}_${version}_${os}_${arch}.zip`,
        sums: `${base}/${name}_${version}_SHA256SUMS`,
        signature: `${base}/${name}_${version}_SHA256SUMS.sig`,
        signer: "hashicorp",
        format: "zip",
        programs: { [name]: name },
    };
}

/** @param {string} name @param {string} version @param {Platform} platform @returns {Release | undefined} */
function etcdRelease(name, version, { os, arch }) {
    if (os !== "linux") {
        return undefined; // A ZIP elsewhere; only machines need it.
    }
    const base = `https://github.com/etcd-io/etcd/releases/download/v${version}`;
    const folder = `etcd-v${version}-${os}-${arch}`;
    return {
        address: `${base}/${folder}.tar.gz`,
        sums: `${base}/SHA256SUMS`,
        format: "tar.gz",
        programs: { [name]: `${folder}/${name}` },
    };
}

/** @param {string} version @param {Platform} platform @returns {Release} */
function confdRelease(version, { os, arch }) {
    const base = `https://github.com/abtreece/confd/releases/download/v${version}`;
    return {
        address: `${base}/confd-v${version}-${os}-${arch}.tar.gz`,
        sums: `${base}/checksums.txt`,
        format: "tar.gz",
        programs: { confd: "confd" },
    };
}

/** @param {string} version @param {Platform} platform @returns {Release | undefined} */
function envoyRelease(version, { os, arch }) {
    if (os !== "linux") {
        return undefined;
    }
    const base = `https://github.com/envoyproxy/envoy/releases/download/v${version}`;
    return {
        address: `${base}/envoy-${version}-linux-${arch === "amd64" ? "x86_64" : "aarch_64"}`,
        sums: `${base}/checksums.txt.asc`,
        format: "bare",
        programs: { envoy: "" },
    };
}

/** @param {string} version @param {Platform} platform @returns {Release} */
function traefikRelease(version, { os, arch }) {
    const base = `https://github.com/traefik/traefik/releases/download/v${version}`;
    return {
        address: `${base}/traefik_v${version}_${os}_${arch}.tar.gz`,
        sums: `${base}/traefik_v${version}_checksums.txt`,
        format: "tar.gz",
        programs: { traefik: "traefik" },
    };
}

/**
 * The release of a tool, or undefined where its vendor has none for the platform.
 * @param {string} tool
 * @param {string} version
 * @param {Platform} platform
 */
function releaseOf(tool, version, platform) {
    return vendors[tool]?.(version, platform);
}

/**
 * Downloads, verifies and unpacks a release into a folder. Throws a DownloadError when anything about it is not as
 * it should be; the caller then has other sources.
 * @param {Release} release
 * @param {string} folder
 * @param {import("./download").Downloader} downloader
 * @param {import("./progress").Step} step
 * @param {NodeJS.ProcessEnv} [env]
 */
async function fetchRelease(release, folder, downloader, step, env = process.env) {
    const archive = path.join(folder, "download");
    const sumsFile = path.join(folder, "sums");
    const sums = await downloader.read(release.sums);
    fs.writeFileSync(sumsFile, sums);
    if (release.signature !== undefined && release.signer !== undefined) {
        const signatureFile = path.join(folder, "sums.sig");
        fs.writeFileSync(signatureFile, await downloader.read(release.signature));
        await checkSignature(release, sumsFile, signatureFile, step, env);
    }
    const expected = checksumOf(
        sums.toString("utf8"),
        path.posix.basename(new URL(release.address).pathname),
    );
    if (expected === undefined) {
        throw new DownloadError(`${release.sums} does not list ${release.address}`);
    }
    const host = new URL(release.address).host;
    step.say(`downloading from ${host}`);
    const actual = await downloader.save(release.address, archive, (share) =>
        step.update(`downloading from ${host}, ${Math.round(share * 100)} %`),
    );
    if (actual !== expected) {
        throw new DownloadError(`${release.address} has the checksum ${actual}, expected ${expected}`);
    }
    for (const [program, member] of Object.entries(release.programs)) {
        await unpack(release.format, archive, member, path.join(folder, program));
    }
    for (const file of [archive, sumsFile, path.join(folder, "sums.sig")]) {
        fs.rmSync(file, { force: true });
    }
}

/**
 * @param {Release} release
 * @param {string} sumsFile
 * @param {string} signatureFile
 * @param {import("./progress").Step} step
 * @param {NodeJS.ProcessEnv} env
 */
async function checkSignature(release, sumsFile, signatureFile, step, env) {
    const signer = signers[/** @type {keyof typeof signers} */ (release.signer)];
    let verdict;
    try {
        verdict = await verifySignature(signer, sumsFile, signatureFile);
    } catch (error) {
        throw new DownloadError(`${release.sums}: ${/** @type {Error} */ (error).message}`);
    }
    if (verdict === "no gpg") {
        if (env["GATEHOUSE_REQUIRE_SIGNATURES"] === "1") {
            throw new DownloadError(
                `${release.sums}: neither gpgv nor gpg is installed to check its signature`,
            );
        }
        step.note("gpg is not installed: the checksum is verified, the vendor's signature is not");
    }
}

/** @param {Release["format"]} format @param {string} archive @param {string} member @param {string} target */
async function unpack(format, archive, member, target) {
    if (format === "bare") {
        fs.renameSync(archive, target);
        fs.chmodSync(target, 0o755);
    } else if (format === "zip") {
        await unzipFile(archive, member, target);
    } else {
        await untarFile(archive, member, target);
    }
}

module.exports = { releaseOf, fetchRelease, vendors };
