// @ts-check
"use strict";

const crypto = require("node:crypto");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { pathToFileURL } = require("node:url");
const { stateDirectory } = require("./paths");
const { userHome } = require("./plugins");

/**
 * Where the stacks' state is kept.
 * @typedef {object} Backend
 * @property {boolean} ours the file backend in .gatehouse, whose files this program may read itself
 * @property {NodeJS.ProcessEnv} env what Pulumi needs to know about it
 * @property {string} reason
 */

/**
 * The user's choice when there is one, otherwise files in .gatehouse with a generated passphrase.
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Backend}
 */
function chooseBackend(env = process.env) {
    for (const name of ["PULUMI_BACKEND_URL", "PULUMI_ACCESS_TOKEN"]) {
        if (env[name]) {
            return { ours: false, env: {}, reason: `${name} is set` };
        }
    }
    const login = currentLogin(env);
    if (login !== undefined) {
        return { ours: false, env: {}, reason: `the Pulumi CLI is logged in to ${login}` };
    }
    fs.mkdirSync(path.join(stateDirectory, "state"), { recursive: true });
    /** @type {NodeJS.ProcessEnv} */
    const added = { PULUMI_BACKEND_URL: fileBackend(path.join(stateDirectory, "state")) };
    if (env["PULUMI_CONFIG_PASSPHRASE"] === undefined && !env["PULUMI_CONFIG_PASSPHRASE_FILE"]) {
        added["PULUMI_CONFIG_PASSPHRASE_FILE"] = passphraseFile();
    }
    return { ours: true, env: added, reason: "files in .gatehouse" };
}

/**
 * The address of a backend of files. Without metadata: Pulumi writes those to a file of their own, and one that was killed
 * meanwhile could not read its state any more ("failed to load checkpoint: EOF").
 * @param {string} folder
 */
function fileBackend(folder) {
    return `${pathToFileURL(folder).href}?metadata=skip`;
}

/** @param {NodeJS.ProcessEnv} env */
function currentLogin(env) {
    try {
        const file = path.join(env["PULUMI_CREDENTIALS_PATH"] || userHome(env), "credentials.json");
        return JSON.parse(fs.readFileSync(file, "utf8")).current || undefined;
    } catch {
        return undefined;
    }
}

/** Made once; two first runs at the same time agree on one. */
function passphraseFile() {
    const file = path.join(stateDirectory, "passphrase");
    if (!fs.existsSync(file)) {
        const draft = `${file}.${process.pid}`;
        fs.writeFileSync(draft, crypto.randomBytes(24).toString("base64url"), { mode: 0o600 });
        try {
            fs.linkSync(draft, file);
        } catch {
            // Another run was faster.
        }
        fs.rmSync(draft);
    }
    return file;
}

/** @param {string} stack */
function stateFile(stack) {
    return path.join(stateDirectory, "state", ".pulumi", "stacks", "gatehouse", `${stack}.json`);
}

/**
 * Whether our state has anything of a stack: a preview of a new stack leaves an empty one.
 * @param {string} stack
 */
function hasResources(stack) {
    const latest = readState(stack)?.checkpoint?.latest;
    return (latest?.resources ?? []).length > 0 || (latest?.pending_operations ?? []).length > 0;
}

/**
 * The stack's state where it lies in our files.
 * @param {string} stack
 * @returns {any} undefined when there is none
 */
function readState(stack) {
    try {
        return JSON.parse(fs.readFileSync(stateFile(stack), "utf8"));
    } catch {
        return undefined;
    }
}

/**
 * What a stack has in our state; nothing when there is none.
 * @param {string} stack
 * @returns {any[]}
 */
function resourcesIn(stack) {
    return readState(stack)?.checkpoint?.latest?.resources ?? [];
}

/** Pulumi keeps copies of the state of a stack that was removed. @param {string} stack */
function forgetStack(stack) {
    const pulumi = path.join(stateDirectory, "state", ".pulumi");
    for (const file of [
        path.join(pulumi, "backups", "gatehouse", stack),
        path.join(pulumi, "history", "gatehouse", stack),
        ...["", ".attrs", ".bak", ".bak.attrs"].map((ending) => `${stateFile(stack)}${ending}`),
        lockFolder(stack),
        // Their key was in the state.
        path.join(stateDirectory, "snapshots", stack),
        path.join(stateDirectory, "config", `Pulumi.${stack}.yaml`),
    ]) {
        fs.rmSync(file, { recursive: true, force: true });
    }
}

/** @param {string} stack */
function lockFolder(stack) {
    return path.join(stateDirectory, "state", ".pulumi", "locks", "organization", "gatehouse", stack);
}

/**
 * The environment of the Pulumi CLI.
 * @param {{ backend: Backend, toolFolders: string[], plugins: import("./plugins").Plugins, dockerHost?: string }} setup
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {NodeJS.ProcessEnv} additions
 */
function pulumiEnvironment({ backend, toolFolders, plugins, dockerHost }, env = process.env) {
    /** @type {NodeJS.ProcessEnv} */
    const added = {
        ...backend.env,
        PATH: [...new Set(toolFolders), env["PATH"] ?? ""].join(path.delimiter),
        PULUMI_SKIP_UPDATE_CHECK: "true",
        // Nodes that wait for their turn hold one of the engine's workers each (components/clusters/roll.ts); by
        // default there are four for each core.
        PULUMI_PARALLEL: env["PULUMI_PARALLEL"] || "64",
        // Older language hosts load ts-node although Pulumi.yaml says not to; it has nothing to check.
        PULUMI_NODEJS_TRANSPILE_ONLY: "true",
    };
    if (plugins.home !== undefined) {
        added["PULUMI_HOME"] = plugins.home;
        added["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true";
        if (!env["PULUMI_CREDENTIALS_PATH"] && fs.existsSync(path.join(userHome(env), "credentials.json"))) {
            added["PULUMI_CREDENTIALS_PATH"] = userHome(env);
        }
    }
    if (dockerHost !== undefined) {
        added["DOCKER_HOST"] = dockerHost;
    }
    return added;
}

/** Whether a lock or process note was written on this computer. @param {string} host */
function isThisHost(host) {
    return host === os.hostname();
}

module.exports = {
    fileBackend,
    chooseBackend,
    pulumiEnvironment,
    stateFile,
    lockFolder,
    isThisHost,
    hasResources,
    readState,
    resourcesIn,
    forgetStack,
};
