// @ts-check
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { aptInstall, onDebian } = require("./docker");
const { UserError } = require("./errors");
const { inCache } = require("./paths");
const { mustRun, run, which } = require("./run");
const { versions } = require("./versions");
const { withWorkFolder } = require("./workspace");

const registry = "https://registry-1.docker.io/v2/";
/** Inherited by every image and build stage on top, which is how `make clean` finds those without a name. */
const label = "dev.gatehouse.base-image=true";
/** Seconds for pulling 30 MB. */
const pullTimeout = 120;

/**
 * Where packages come from.
 * @typedef {object} Mirrors
 * @property {string} archive
 * @property {string} security
 */

/** What Debian's own image sets for containers; the debootstrap path writes the same. */
const containerFiles = {
    "etc/dpkg/dpkg.cfg.d/container":
        "path-exclude /usr/share/doc/*\npath-include /usr/share/doc/*/copyright\npath-exclude /usr/share/man/*\n" +
        "path-exclude /usr/share/info/*\npath-exclude /usr/share/locale/*\nforce-unsafe-io\n",
    "etc/apt/apt.conf.d/container":
        'APT::Install-Recommends "false";\nAcquire::Languages "none";\nAcquire::GzipIndexes "true";\n' +
        'Acquire::Retries "3";\n',
    // Packages do not start services while an image is built.
    "usr/sbin/policy-rc.d": "#!/bin/sh\nexit 101\n",
};

/**
 * Makes the image that all base images start from: a minimal Debian, pulled or made with debootstrap. Both ways end
 * in the same files on top, so that the images built on it behave alike.
 * @param {string} reference
 * @param {import("./download").Downloader} downloader
 * @param {import("./progress").Step} step
 */
async function makeRootImage(reference, downloader, step) {
    const mirrors = hostMirrors();
    if (process.env["GATEHOUSE_SOURCE"] !== "build" && (await reachableRegistry(downloader))) {
        if (await pullRoot(reference, mirrors, step)) {
            return;
        }
    }
    await bootstrapRoot(reference, mirrors, step);
}

/** Docker Hub answers 401 to everyone who has not logged in, which is an answer. @param {import("./download").Downloader} downloader */
function reachableRegistry(downloader) {
    return downloader.reachable(registry);
}

/**
 * @param {string} reference
 * @param {Mirrors | undefined} mirrors this computer's, if it has any of its own
 * @param {import("./progress").Step} step
 * @returns {Promise<boolean>} false when it could not be pulled
 */
async function pullRoot(reference, mirrors, step) {
    const image = `debian:${versions.debian}-slim`;
    step.say(`pulling ${image}`);
    const pulled = await run("docker", ["pull", "--quiet", image], { timeout: pullTimeout });
    if (pulled.code !== 0) {
        step.note(`${image} cannot be pulled (${pulled.stderr.trim().split("\n").at(-1) ?? "time-out"})`);
        return false;
    }
    await dressRoot(image, reference, mirrors);
    return true;
}

/**
 * Puts the files that both ways share on top of Debian's own image.
 * @param {string} image
 * @param {string} reference
 * @param {Mirrors | undefined} mirrors this computer's, if it has any of its own
 */
async function dressRoot(image, reference, mirrors) {
    await withWorkFolder("root", async (context) => {
        writeFiles(path.join(context, "files"), mirrors);
        const superseded = [
            "/etc/dpkg/dpkg.cfg.d/docker",
            "/etc/apt/apt.conf.d/docker-*",
            ...(mirrors ? ["/etc/apt/sources.list"] : []),
        ];
        fs.writeFileSync(
            path.join(context, "Dockerfile"),
            `FROM ${image}\nLABEL ${label}\nCOPY files/ /\nRUN rm -f ${superseded.join(" ")}\n`,
        );
        await mustRun("docker", ["build", "--force-rm", "--tag", reference, context], {
            what: "the root image cannot be built",
            log: inCache("logs", "image-root.log"),
        });
    });
}

/**
 * @param {string} reference
 * @param {Mirrors | undefined} mirrors this computer's, if it has any of its own
 * @param {import("./progress").Step} step
 */
async function bootstrapRoot(reference, mirrors, step) {
    if (process.getuid?.() !== 0 || process.platform !== "linux") {
        throw new UserError(
            `debian:${versions.debian}-slim cannot be pulled, and only root on Linux can make it with debootstrap`,
            `check the access to Docker Hub ("docker pull debian:${versions.debian}-slim"), or run the command as root on Debian or Ubuntu`,
        );
    }
    if (which("debootstrap") === undefined) {
        if (!onDebian()) {
            throw new UserError(
                `debian:${versions.debian}-slim cannot be pulled, and debootstrap is not installed`,
                "install debootstrap, or check the access to Docker Hub",
            );
        }
        await aptInstall(["debootstrap", "debian-archive-keyring"], step);
    }
    const log = inCache("logs", "image-root.log");
    fs.rmSync(log, { force: true });
    await withWorkFolder("root", async (folder) => {
        const target = path.join(folder, "rootfs");
        const about = "making a minimal Debian with debootstrap, about 1 min";
        step.say(`${about} (log: ${log})`);
        const args = ["--variant=minbase", "--include=ca-certificates,debian-archive-keyring"];
        // Without a mirror debootstrap asks Debian's own server.
        await mustRun(
            "debootstrap",
            [...args, versions.debian, target, ...(mirrors ? [mirrors.archive] : [])],
            {
                what: "debootstrap failed",
                remedy: `read the log; is ${mirrors?.archive ?? "Debian's server"} reachable?`,
                log,
                onLine: (line) => step.update(`${about}: ${line.replace(/^I: /, "")}`),
            },
        );
        trim(target);
        writeFiles(target, mirrors ?? bootstrapMirrors(target));
        step.say("importing it into Docker");
        const change = ["--change", 'CMD ["bash"]', "--change", `LABEL ${label}`];
        // Through a file, not a pipe: an interrupted pipe would end as a complete-looking image.
        const archive = path.join(folder, "rootfs.tar");
        await mustRun("tar", ["--numeric-owner", "--one-file-system", "-C", target, "-cf", archive, "."], {
            what: "the root image cannot be packed",
            log,
        });
        await mustRun("docker", ["import", ...change, archive, reference], {
            what: "the root image cannot be imported",
            log,
        });
    });
}

/** Removes what Debian's slim image does not have either. @param {string} target */
function trim(target) {
    for (const folder of [
        "var/lib/apt/lists",
        "var/cache/apt",
        "usr/share/man",
        "usr/share/info",
        "usr/share/locale",
    ]) {
        emptyFolder(path.join(target, folder));
    }
    const docs = path.join(target, "usr/share/doc");
    for (const entry of fs.readdirSync(docs)) {
        for (const file of fs.readdirSync(path.join(docs, entry))) {
            if (file !== "copyright") {
                fs.rmSync(path.join(docs, entry, file), { recursive: true, force: true });
            }
        }
    }
    for (const file of [
        "var/log/bootstrap.log",
        "var/log/dpkg.log",
        "var/log/alternatives.log",
        "etc/machine-id",
        "etc/hostname",
    ]) {
        fs.rmSync(path.join(target, file), { force: true });
    }
    fs.rmSync(path.join(target, "etc/resolv.conf"), { force: true });
    // systemd takes an empty file as "not set up yet" and makes an identity for each machine.
    fs.writeFileSync(path.join(target, "etc/machine-id"), "");
}

/** @param {string} folder */
function emptyFolder(folder) {
    fs.rmSync(folder, { recursive: true, force: true });
    fs.mkdirSync(folder, { recursive: true });
}

/**
 * @param {string} target
 * @param {Mirrors | undefined} mirrors without them the sources stay as they are
 */
function writeFiles(target, mirrors) {
    const sources = mirrors ? { "etc/apt/sources.list.d/debian.sources": aptSources(mirrors) } : {};
    for (const [name, content] of Object.entries({ ...containerFiles, ...sources })) {
        const file = path.join(target, name);
        fs.mkdirSync(path.dirname(file), { recursive: true });
        fs.writeFileSync(file, content, { mode: name.startsWith("usr/sbin/") ? 0o755 : 0o644 });
    }
    if (mirrors) {
        fs.rmSync(path.join(target, "etc/apt/sources.list"), { force: true });
    }
}

/** What debootstrap took by itself and has written down. @param {string} target */
function bootstrapMirrors(target) {
    return mirrorsIn(fs.readFileSync(path.join(target, "etc/apt/sources.list"), "utf8"));
}

/** @param {Mirrors} mirrors */
function aptSources({ archive, security }) {
    const stanza = (/** @type {string} */ uri, /** @type {string} */ suites) =>
        `Types: deb\nURIs: ${uri}\nSuites: ${suites}\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n`;
    const release = versions.debian;
    return `${stanza(archive, `${release} ${release}-updates`)}\n${stanza(security, `${release}-security`)}`;
}

/** The mirrors that this computer is set up to use, if it is a Debian. */
function hostMirrors(folder = "/etc/apt") {
    /** @type {string[]} */
    const texts = [];
    try {
        const list = path.join(folder, "sources.list.d");
        const files = fs.existsSync(list) ? fs.readdirSync(list).map((file) => path.join(list, file)) : [];
        for (const file of [path.join(folder, "sources.list"), ...files]) {
            if (fs.existsSync(file) && /\.(list|sources)$/.test(file)) {
                texts.push(fs.readFileSync(file, "utf8"));
            }
        }
    } catch {
        // Unreadable sources are no reason to stop: the image has its own.
    }
    return mirrorsIn(texts.join("\n"));
}

/**
 * Debian's mirrors in the text of apt sources, of either format; none if there is no archive among them. They are
 * told by their last path element; a mirror that names no place for security updates has them beside the archive.
 * @param {string} text
 * @returns {Mirrors | undefined}
 */
function mirrorsIn(text) {
    const uris = text
        .split("\n")
        .filter((line) => /^\s*(deb\s|URIs:)/.test(line))
        .flatMap((line) => line.match(/https?:\/\/[^\s\]]+/g) ?? [])
        .map((uri) => uri.replace(/\/+$/, ""));
    const archive = uris.find((uri) => uri.endsWith("/debian"));
    const security = uris.find((uri) => uri.endsWith("/debian-security"));
    return archive === undefined ? undefined : { archive, security: security ?? `${archive}-security` };
}

module.exports = { label, makeRootImage, dressRoot, mirrorsIn, aptSources };
