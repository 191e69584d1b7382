// @ts-check
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { withLock } = require("./locks");
const { inCache, root } = require("./paths");
const { mustRun } = require("./run");

/**
 * Makes node_modules what package-lock.json says, and does nothing when it is.
 * @param {import("./progress").Progress} progress
 * @param {string} [folder]
 */
async function ensurePackages(progress, folder = root) {
    if (installed(folder)) {
        return;
    }
    await progress.task("Node packages", (step) =>
        withLock(
            `npm-${folder}`,
            async () => {
                if (installed(folder)) {
                    return;
                }
                const log = inCache("logs", "npm.log");
                fs.rmSync(log, { force: true });
                step.say(`npm ci (log: ${log})`);
                // Without install scripts: none of our packages needs one, and foreign code has no business here.
                await mustRun("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], {
                    cwd: folder,
                    log,
                    what: "the Node packages cannot be installed",
                    remedy: "read the log; check the network and npm's registry (npm config get registry)",
                });
            },
            () => step.say("waiting for another run that installs them"),
        ),
    );
}

/**
 * npm writes node_modules/.package-lock.json at the end of an installation: it names what is really there.
 * @param {string} folder
 */
function installed(folder) {
    const wanted = readPackages(path.join(folder, "package-lock.json"));
    const present = readPackages(path.join(folder, "node_modules", ".package-lock.json"));
    return wanted !== undefined && present !== undefined && matches(wanted, present);
}

/** @typedef {Record<string, { version?: string, integrity?: string, optional?: boolean, link?: boolean }>} Packages */

/** @param {string} file @returns {Packages | undefined} */
function readPackages(file) {
    try {
        return JSON.parse(fs.readFileSync(file, "utf8")).packages;
    } catch {
        return undefined;
    }
}

/**
 * Optional packages may be missing: they are for other platforms.
 * @param {Packages} wanted
 * @param {Packages} present
 */
function matches(wanted, present) {
    return Object.entries(wanted).every(([name, entry]) => {
        const found = present[name];
        if (!name.startsWith("node_modules/")) {
            return true; // The project itself and linked folders, which need no copy.
        }
        return found === undefined
            ? entry.optional === true
            : found.version === entry.version && found.integrity === entry.integrity;
    });
}

module.exports = { ensurePackages, matches };
