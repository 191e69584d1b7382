// @ts-check
"use strict";

const crypto = require("node:crypto");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { UserError } = require("./errors");
const { withLock } = require("./locks");
const { cacheDirectory, inCache, root } = require("./paths");
const { mustRun, run } = require("./run");
const { versions } = require("./versions");

/** Where Pulumi fetches plugins from; any answer will do. */
const sources = ["https://get.pulumi.com/", "https://api.github.com/"];
/** How long a machine that could not reach them is believed to stay so, in hours. */
const trust = 24;
/** How long stand-ins of other states of the sources are kept, in days. */
const keep = 30;

/**
 * @typedef {object} Plugins
 * @property {string} [home] PULUMI_HOME with the stand-ins; absent when official plugins are used throughout
 * @property {string[]} standIns
 *
 * @typedef {object} PluginContext
 * @property {import("./progress").Progress} progress
 * @property {import("./download").Downloader} downloader
 * @property {import("./tools").Tools} tools
 * @property {Promise<unknown>} packages resolves when node_modules is complete
 */

/**
 * Makes sure that Pulumi finds a provider plugin for every name: the official ones, or stand-ins where those cannot
 * be installed.
 * @param {string[]} names
 * @param {PluginContext} context
 * @returns {Promise<Plugins>}
 */
async function ensurePlugins(names, context) {
    const official = userHome();
    const missing = names.filter((name) => !isInstalled(official, name));
    if (missing.length === 0) {
        return { standIns: [] };
    }
    if (isComplete(standInHome(names), names) && !believedReachable()) {
        return { home: standInHome(names), standIns: missing };
    }
    return context.progress.task("provider plugins", async (step) => {
        const pulumi = context.tools.ensure("pulumi");
        pulumi.catch(() => {}); // Awaited below; a failure before that must not end the process.
        if (process.env["GATEHOUSE_SOURCE"] !== "build" && (await anyReachable(context.downloader))) {
            const failed = await installOfficial(missing, await pulumi, step);
            if (failed.length === 0) {
                return { standIns: [] };
            }
        }
        rememberUnreachable();
        await context.packages;
        const home = standInHome(names);
        await withLock(
            "plugins",
            () => installStandIns(names, home, official, pulumi, step),
            () => step.say("waiting for another run that installs them"),
        );
        return { home, standIns: names.filter((name) => !isInstalled(official, name)) };
    });
}

/**
 * The line that says what is used and why.
 * @param {Plugins} plugins
 */
function explain({ standIns }) {
    return `provider plugins: stand-ins for ${standIns.join(", ")}, because the official ones cannot be downloaded here (plugins/README.md)`;
}

/** The folder of Pulumi's own plugins. @param {NodeJS.ProcessEnv} [env] */
function userHome(env = process.env) {
    return env["PULUMI_HOME"] || path.join(os.homedir(), ".pulumi");
}

/** @param {string} name */
function versionOf(name) {
    const version = versions.plugins[name];
    if (version === undefined) {
        throw new UserError(`toolchain/versions.json has no version of the plugin ${name}`, "add it");
    }
    return version;
}

/** @param {string} home @param {string} name */
function folderIn(home, name) {
    return path.join(home, "plugins", `resource-${name}-v${versionOf(name)}`);
}

/** Pulumi marks an unfinished installation by a file beside the folder. @param {string} home @param {string} name */
function isInstalled(home, name) {
    const folder = folderIn(home, name);
    return fs.existsSync(path.join(folder, `pulumi-resource-${name}`)) && !fs.existsSync(`${folder}.partial`);
}

/** @param {string} home @param {string[]} names */
function isComplete(home, names) {
    return names.every((name) => isInstalled(home, name));
}

/** @param {import("./download").Downloader} downloader */
async function anyReachable(downloader) {
    return (await Promise.all(sources.map((source) => downloader.reachable(source)))).some(Boolean);
}

const unreachableMark = () => inCache("plugins-unreachable");

function rememberUnreachable() {
    fs.writeFileSync(
        unreachableMark(),
        `${sources.join(" and ")} could not be reached at this file's time\n`,
    );
}

function believedReachable() {
    try {
        return Date.now() - fs.statSync(unreachableMark()).mtimeMs > trust * 3_600_000;
    } catch {
        return true;
    }
}

/**
 * @param {string[]} names
 * @param {string} pulumi
 * @param {import("./progress").Step} step
 * @returns {Promise<string[]>} those that could not be installed
 */
async function installOfficial(names, pulumi, step) {
    const log = inCache("logs", "plugins.log");
    const outcomes = await Promise.all(
        names.map(async (name) => {
            const args = ["plugin", "install", "resource", name, versionOf(name), "--non-interactive"];
            const { code } = await run(pulumi, args, { log, timeout: 300 });
            return code === 0 && isInstalled(userHome(), name) ? [] : [name];
        }),
    );
    const failed = outcomes.flat();
    if (failed.length > 0) {
        step.note(`${failed.join(", ")} cannot be installed (log: ${log})`);
    }
    return failed;
}

/**
 * A home of its own for each state of the sources, so that the stand-ins neither surprise other projects of the
 * user nor other checkouts of this one.
 * @param {string[]} names
 */
function standInHome(names) {
    const hash = crypto.createHash("sha256");
    for (const name of [...names].sort()) {
        hash.update(bundleKey(name));
    }
    return path.join(cacheDirectory(), "pulumi-home", hash.digest("hex").slice(0, 12));
}

/** @type {Map<string, string>} */
const bundleKeys = new Map();

/** A hash of what a stand-in is made from. @param {string} name */
function bundleKey(name) {
    let key = bundleKeys.get(name);
    if (key === undefined) {
        const hash = crypto.createHash("sha256").update(`${name} ${versionOf(name)}`);
        for (const folder of ["lib", name]) {
            for (const file of sourcesIn(path.join(root, "plugins", folder))) {
                hash.update(`${path.relative(root, file)}\n`).update(fs.readFileSync(file));
            }
        }
        key = hash
            .update(fs.readFileSync(path.join(root, "package-lock.json")))
            .digest("hex")
            .slice(0, 12);
        bundleKeys.set(name, key);
    }
    return key;
}

/** @param {string} folder @returns {string[]} */
function sourcesIn(folder) {
    if (!fs.existsSync(folder)) {
        throw new UserError(`${path.relative(root, folder)} is missing`, "restore it from git");
    }
    return fs
        .readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && /\.(ts|js|json)$/.test(entry.name))
        .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name))
        .sort();
}

/**
 * @param {string[]} names
 * @param {string} home
 * @param {string} official
 * @param {Promise<string>} pulumi
 * @param {import("./progress").Step} step
 */
async function installStandIns(names, home, official, pulumi, step) {
    const wanted = names.filter((name) => !isInstalled(home, name));
    removeOld(path.dirname(home));
    removeOld(path.dirname(inCache("stand-ins", "any")));
    fs.mkdirSync(path.join(home, "plugins"), { recursive: true });
    const own = wanted.filter((name) => isInstalled(official, name));
    for (const name of own) {
        fs.symlinkSync(folderIn(official, name), folderIn(home, name));
    }
    const bundled = wanted.filter((name) => !own.includes(name));
    step.say(`bundling stand-ins for ${bundled.join(", ")}`);
    const folders = await Promise.all(bundled.map((name) => bundle(name)));
    step.say("waiting for pulumi, which installs them");
    const command = await pulumi;
    const log = inCache("logs", "plugins.log");
    for (const [i, name] of bundled.entries()) {
        const args = [
            "plugin",
            "install",
            "resource",
            name,
            versionOf(name),
            "--file",
            folders[i] ?? "",
            "--reinstall",
        ];
        await mustRun(command, [...args, "--non-interactive"], {
            env: { ...process.env, PULUMI_HOME: home, PULUMI_SKIP_UPDATE_CHECK: "true" },
            what: `the stand-in for the plugin ${name} cannot be installed`,
            log,
        });
    }
}

/** @param {string} folder */
function removeOld(folder) {
    for (const entry of fs.existsSync(folder) ? fs.readdirSync(folder) : []) {
        const file = path.join(folder, entry);
        if (Date.now() - fs.statSync(file).mtimeMs > keep * 24 * 3_600_000) {
            fs.rmSync(file, { recursive: true, force: true });
        }
    }
}

/**
 * Bundles a stand-in into one file; a folder with it is what Pulumi installs.
 * @param {string} name
 * @returns {Promise<string>} the folder
 */
async function bundle(name) {
    const target = inCache("stand-ins", `${name}-${versionOf(name)}-${bundleKey(name)}`);
    if (fs.existsSync(target)) {
        return target;
    }
    const draft = fs.mkdtempSync(`${target}.partial-`);
    try {
        const esbuild = require(require.resolve("esbuild", { paths: [root] }));
        await esbuild.build({
            entryPoints: [path.join(root, "plugins", name, "main.ts")],
            outfile: path.join(draft, `pulumi-resource-${name}`),
            bundle: true,
            platform: "node",
            target: "node20",
            format: "cjs",
            banner: { js: "#!/usr/bin/env node" },
            // Optional accelerators in machine code; their users do without.
            external: ["cpu-features", "*.node"],
            logLevel: "silent",
        });
        fs.chmodSync(path.join(draft, `pulumi-resource-${name}`), 0o755);
        fs.chmodSync(draft, 0o755);
        fs.renameSync(draft, target);
    } catch (error) {
        if (fs.existsSync(target)) {
            return target; // Another run was faster.
        }
        throw new UserError(
            `the stand-in for the plugin ${name} cannot be bundled`,
            "repair plugins/, then run again",
            {
                cause: error,
            },
        );
    } finally {
        fs.rmSync(draft, { recursive: true, force: true });
    }
    return target;
}

module.exports = { ensurePlugins, explain, userHome, standInHome };
