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

/** State, passphrase and build results of this checkout; ignored by git. GATEHOUSE_STATE names another folder. */
const stateDirectory = process.env["GATEHOUSE_STATE"]
    ? path.resolve(process.env["GATEHOUSE_STATE"])
    : path.join(root, ".gatehouse");

/**
 * Where the files Pulumi.<stack>.yaml are, with the project's Pulumi.yaml. GATEHOUSE_STACK_FILES names another folder
 * than the checkout, for stacks that are to leave the checkout's own files alone.
 */
const stackFolder = process.env["GATEHOUSE_STACK_FILES"]
    ? path.resolve(process.env["GATEHOUSE_STACK_FILES"])
    : root;

/** @returns {"amd64" | "arm64"} Go's and Docker's name of this processor */
function hostArchitecture() {
    return process.arch === "arm64" ? "arm64" : "amd64";
}

module.exports = { root, cacheDirectory, inCache, stateDirectory, stackFolder, hostArchitecture };
