// @ts-check
"use strict";

const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { setTimeout: sleep } = require("node:timers/promises");
const { ensureDocker, engineAddress } = require("./docker");
const { Downloader } = require("./download");
const { UserError } = require("./errors");
const { ensureImages } = require("./imagebuild");
const { imageReference } = require("./images");
const { ensurePackages } = require("./packages");
const { cacheDirectory } = require("./paths");
const { ensurePlugins, explain } = require("./plugins");
const { Progress } = require("./progress");
const { choosesVersions, versionsOf } = require("./stackfile");
const { Tools, pairUp } = require("./tools");
const { removeLeftovers } = require("./workspace");

/**
 * What a command finds ready.
 * @typedef {object} Ready
 * @property {Record<string, string>} tools name → file
 * @property {string[]} toolFolders for PATH
 * @property {import("./plugins").Plugins} plugins
 * @property {string | undefined} dockerHost
 * @property {Progress} progress
 */

/**
 * Brings everything that a lab needs into place; what does not depend on each other runs side by side.
 * @param {import("./versions").Needs} needs
 * @param {{ stack?: string, images?: boolean, docker?: boolean, quiet?: boolean, progress?: Progress }} [options]
 *     `stack`: whose choice of versions counts; `images: false` leaves the base images out, `docker: false` the engine
 *     as well; `quiet` says nothing about stand-ins
 * @returns {Promise<Ready>}
 */
async function setUp(needs, options = {}) {
    requireSpace();
    removeLeftovers();
    const progress = options.progress ?? new Progress();
    const downloader = new Downloader();
    const tools = new Tools({ progress, downloader });
    const packages = ensurePackages(progress);
    const useDocker = options.docker !== false;
    const engine = useDocker ? ensureDocker(progress) : Promise.resolve(new Set());
    const choice = choiceFor(options.stack, packages);
    const images = useDocker
        ? Promise.all([engine, choice]).then(([present, choice]) =>
              options.images === false
                  ? checkChoice(needs.images, present, choice ?? {}, tools)
                  : // A version that is none is the program's to refuse, with all else that is wrong.
                    ensureImages(choice === undefined ? [] : needs.images, present, {
                        progress,
                        downloader,
                        tools,
                        choice,
                    }),
          )
        : Promise.resolve();
    // The images' tools come first: images wait for them, and builds run one after the other on small machines.
    const first = Promise.race([engine, sleep(500, undefined, { ref: false })]);
    const files = first.then(() => Promise.all(needs.tools.map((name) => tools.ensure(name))));
    const plugins = first.then(() => ensurePlugins(needs.plugins, { progress, downloader, tools, packages }));
    const [, , , found, ready, dockerHost] = await Promise.all([
        packages,
        engine,
        images,
        files,
        plugins,
        useDocker ? engine.then(() => engineAddress()) : undefined,
    ]);
    if (ready.standIns.length > 0 && options.quiet !== true) {
        progress.line(explain(ready));
    }
    const tooling = Object.fromEntries(needs.tools.map((name, i) => [name, found[i] ?? ""]));
    const { pulumi, "pulumi-language-nodejs": host } = tooling;
    if (pulumi !== undefined && host !== undefined) {
        tooling["pulumi"] = path.join(pairUp(pulumi, host), "pulumi");
        tooling["pulumi-language-nodejs"] = path.join(pairUp(pulumi, host), "pulumi-language-nodejs");
    }
    return {
        tools: tooling,
        toolFolders: Object.values(tooling).map((file) => path.dirname(file)),
        plugins: ready,
        dockerHost,
        progress,
    };
}

/**
 * @param {string | undefined} stack
 * @param {Promise<unknown>} packages
 * @returns {Promise<import("./choice").Choice | undefined>}
 */
async function choiceFor(stack, packages) {
    if (stack === undefined || !choosesVersions(stack)) {
        return {};
    }
    await packages;
    return versionsOf(stack);
}

/**
 * Where images are left out, as for a preview: whether they could be made with these versions.
 * @param {string[]} names
 * @param {Set<string>} present
 * @param {import("./choice").Choice} choice
 * @param {Tools} tools
 */
async function checkChoice(names, present, choice, tools) {
    if (names.some((name) => !present.has(imageReference(name, choice)))) {
        await tools.check(choice);
    }
}

/** Fails before anything is written when the cache's disk is as good as full. */
function requireSpace() {
    const cache = cacheDirectory();
    try {
        fs.mkdirSync(cache, { recursive: true });
    } catch (error) {
        throw new UserError(
            `the cache folder ${cache} cannot be made: ${/** @type {Error} */ (error).message}`,
            "set GATEHOUSE_CACHE to a folder that this user may write to",
        );
    }
    for (const folder of [cache, os.tmpdir()]) {
        const { bavail, bsize } = fs.statfsSync(folder);
        if (bavail * bsize < 200 * 2 ** 20) {
            throw new UserError(
                `the disk of ${folder} is full (${Math.round((bavail * bsize) / 2 ** 20)} MiB free)`,
                folder === cache
                    ? "free some space, or set GATEHOUSE_CACHE to another disk"
                    : "free some space, or set TMPDIR to another disk",
            );
        }
    }
}

module.exports = { setUp };
