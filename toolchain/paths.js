// @ts-check
"use strict";

const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");

/** The checkout. */
const root = path.resolve(__dirname, "..");

/**
 * Where tools, logs and stand-in plugins are kept, outside of the checkout so that several checkouts share them.
 * @param {NodeJS.ProcessEnv} [env]
 */
function cacheDirectory(env = process.env) {
    if (env["GATEHOUSE_CACHE"]) {
        return path.resolve(env["GATEHOUSE_CACHE"]);
    }
    return path.join(env["XDG_CACHE_HOME"] || path.join(os.homedir(), ".cache"), "gatehouse");
}

/**
 * A path in the cache whose folder exists.
 * @param {...string} parts
 */
function inCache(...parts) {
    const file = path.join(cacheDirectory(), ...parts);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    return file;
}

/** State, passphrase and build results of this checkout; ignored by git. */
const stateDirectory = path.join(root, ".gatehouse");

/** @returns {"amd64" | "arm64"} Go's and Docker's name of this processor */
function hostArchitecture() {
    return process.arch === "arm64" ? "arm64" : "amd64";
}

module.exports = { root, cacheDirectory, inCache, stateDirectory, hostArchitecture };
