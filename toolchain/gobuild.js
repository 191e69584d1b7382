// @ts-check
"use strict";

const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { UserError } = require("./errors");
const { hostArchitecture, inCache } = require("./paths");
const { mustRun, run } = require("./run");

const modules = path.join(__dirname, "modules");

/**
 * @typedef {{ module: string, package: string, ldflags: string, tags?: string, cgo?: boolean, minutes: number }} GoSource
 * @typedef {import("./vendor").Platform} Platform
 */

/**
 * The `go build` call that makes a tool from its pinned module.
 * @param {GoSource} source
 * @param {Platform} platform
 * @param {string} output
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {{ args: string[], cwd: string, env: NodeJS.ProcessEnv }}
 */
function buildCommand(source, platform, output, env = process.env) {
    const native = platform.os === process.platform && platform.arch === hostArchitecture();
    return {
        args: [
            "build",
            "-mod=readonly",
            "-trimpath",
            "-buildvcs=false",
            "-v",
            "-ldflags",
            source.ldflags,
            ...(source.tags === undefined ? [] : ["-tags", source.tags]),
            "-o",
            output,
            source.package,
        ],
        cwd: path.join(modules, source.module),
        env: {
            ...env,
            GOFLAGS: "",
            GOWORK: "off",
            GOOS: platform.os,
            GOARCH: platform.arch,
            // Nomad's executor needs cgo; across platforms that would take a cross compiler.
            CGO_ENABLED: source.cgo === true && native ? "1" : "0",
        },
    };
}

/**
 * @param {string} name
 * @param {GoSource} source
 * @param {Platform} platform
 * @param {string} folder gets the program
 * @param {import("./progress").Step} step
 */
async function buildFromModule(name, source, platform, folder, step) {
    await requireGo(source.module);
    const { args, cwd, env } = buildCommand(source, platform, path.join(folder, name));
    const about = `building from source, about ${source.minutes} min on two cores the first time`;
    const log = inCache("logs", `build-${name}.log`);
    fs.rmSync(log, { force: true });
    step.say(`${about} (log: ${log})`);
    let packages = 0;
    await mustRun("go", args, {
        cwd,
        env,
        log,
        what: `${name} cannot be built from its Go module`,
        remedy: `read the log; if modules cannot be downloaded, check GOPROXY and the network, or put ${name} on PATH`,
        onLine: (line) => {
            if (/^[\w.-]+(\/|$)/.test(line)) {
                step.update(`${about}, ${++packages} packages compiled`);
            } else if (line.startsWith("go: downloading ")) {
                step.update(`downloading ${line.slice(16)}`);
            }
        },
    });
}

/** @param {string} module */
async function requireGo(module) {
    const wanted =
        /^go (\S+)$/m.exec(fs.readFileSync(path.join(modules, module, "go.mod"), "utf8"))?.[1] ?? "1.24";
    const remedy = `install Go ${wanted} or later from https://go.dev/dl and put it on PATH, or give this machine access to the vendors' downloads`;
    let found;
    try {
        const result = await run("go", ["env", "GOVERSION", "GOTOOLCHAIN"], { cwd: os.tmpdir() });
        found = result.stdout.split("\n");
    } catch {
        throw new UserError(
            "the vendor's release cannot be downloaded, and Go is not installed to build it",
            remedy,
        );
    }
    const version = (found[0] ?? "").replace(/^go/, "").split(/[ -]/)[0] ?? "";
    if ((found[1] ?? "").startsWith("local") && compareVersions(version, wanted) < 0) {
        throw new UserError(`Go ${version} is too old to build this tool`, remedy);
    }
}

/**
 * @param {string} a
 * @param {string} b
 * @returns {number} negative when a is older than b
 */
function compareVersions(a, b) {
    const [left, right] = [a, b].map((text) => text.replace(/^v/, "").split(/[.+-]/).map(Number));
    for (let i = 0; i < 3; i++) {
        const difference = (left?.[i] || 0) - (right?.[i] || 0);
        if (difference !== 0) {
            return difference;
        }
    }
    return 0;
}

/** How many builds at a time: each uses all cores, and linking the big ones takes about 3 GiB. */
function buildsAtOnce(memory = os.totalmem(), cores = os.cpus().length) {
    return memory >= 12 * 2 ** 30 && cores >= 4 ? 2 : 1;
}

module.exports = { buildCommand, buildFromModule, compareVersions, buildsAtOnce };
