// @ts-check
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { factAbout } = require("./facts");
const { compareVersions } = require("./gobuild");
const { run } = require("./run");
const { toolOf, platformOf } = require("./versions");
const { hostArchitecture } = require("./paths");

/** Debian 12's C library; a program that was linked against a newer one does not start in the machines. */
const machinesGlibc = 36;

/** How each tool tells its version. */
/** @type {Record<string, string[]>} */
const versionArguments = { pulumi: ["version"], etcdctl: ["version"], traefik: ["version"] };

/**
 * The fitting program of this name on PATH, or undefined.
 * @param {string} name
 * @param {NodeJS.ProcessEnv} [env]
 * @param {string} [chosen] another version than the pinned
 * @returns {Promise<string | undefined>}
 */
async function findOnPath(name, env = process.env, chosen) {
    const tool = toolOf(name, chosen);
    const platform = platformOf(tool);
    if (platform.os !== process.platform || platform.arch !== hostArchitecture()) {
        return undefined; // What is installed here does not run in the machines.
    }
    if (tool.accept === "beside pulumi") {
        const pulumi = await findOnPath("pulumi", env);
        const sibling =
            pulumi === undefined ? undefined : path.join(path.dirname(fs.realpathSync(pulumi)), name);
        return sibling !== undefined && fs.existsSync(sibling) ? sibling : undefined;
    }
    for (const directory of (env["PATH"] ?? "").split(path.delimiter)) {
        const file = path.join(directory, name);
        if (directory === "" || !fs.existsSync(file)) {
            continue;
        }
        const version = await factAbout(file, "version", (real) => versionOf(name, real));
        if (version === undefined || !fits(version, tool)) {
            continue;
        }
        if (tool.for === "machines" && !(await factAbout(file, "runs in machines", runsInMachines))) {
            continue;
        }
        return file;
    }
    return undefined;
}

/** @param {string} version @param {import("./versions").Tool} tool */
function fits(version, tool) {
    if (tool.accept === "exact") {
        return version === tool.version;
    }
    const sameMajor = version.split(".")[0] === tool.version.split(".")[0];
    return sameMajor && compareVersions(version, tool.version) >= 0;
}

/**
 * @param {string} name
 * @param {string} file
 * @returns {Promise<string | undefined>}
 */
async function versionOf(name, file) {
    try {
        const result = await run(file, versionArguments[name] ?? ["--version"], { timeout: 10 });
        return parseVersion(result.stdout + result.stderr);
    } catch {
        return undefined;
    }
}

/**
 * The first version number in a tool's answer; Envoy's is `envoy  version: <commit>/1.40.0/Clean/…`.
 * @param {string} text
 */
function parseVersion(text) {
    return /(?:^|[\sv/])(\d+\.\d+\.\d+)(?![\d.])/m.exec(text)?.[1];
}

/**
 * Whether a Linux program starts on Debian 12: read from the versions of the C library that it asks for.
 * @param {string} file
 * @returns {Promise<boolean>}
 */
async function runsInMachines(file) {
    let newest = 0;
    let rest = "";
    for await (const chunk of fs.createReadStream(file, { encoding: "latin1", highWaterMark: 1 << 20 })) {
        for (const [, minor] of (rest + chunk).matchAll(/GLIBC_2\.(\d+)/g)) {
            newest = Math.max(newest, Number(minor));
        }
        rest = chunk.slice(-20);
    }
    return newest <= machinesGlibc;
}

module.exports = { findOnPath, fits, parseVersion, versionOf, runsInMachines };
