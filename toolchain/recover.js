// @ts-check
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { isThisHost, lockFolder, readState, resourcesIn, stateFile } = require("./backend");
const { UserError } = require("./errors");
const { removeHalfMadeAtLinode } = require("./linode/halfmade");
const { startOf } = require("./locks");
const { objectsOf, removeObjects } = require("./objects");

/**
 * @typedef {object} PendingOperation
 * @property {string} type `creating`, `updating`, `deleting`, …
 * @property {{ urn: string, type: string, inputs?: Record<string, unknown> }} resource
 */

/**
 * Clears away what an interrupted run left in the stack's way, so that the next operation simply goes on. Only for
 * the default backend: services look after their own.
 * @param {import("./pulumi").Pulumi} pulumi
 * @param {(line: string) => void} say
 */
async function recover(pulumi, say) {
    if (!pulumi.backend.ours) {
        return;
    }
    releaseLocks(pulumi.stack, say);
    dropBrokenMetadata(pulumi.stack);
    const pending = pendingIn(readState(pulumi.stack));
    if (pending.length > 0) {
        say(`an earlier run was interrupted during ${pending.map(describe).join(", ")}: clearing that up`);
        await removeHalfMade(pulumi.stack, pending, say);
        await removeHalfMadeAtLinode(pulumi, pending, resourcesIn(pulumi.stack), say);
        await dropPending(pulumi);
    }
}

/**
 * Removes the locks of runs that were killed.
 * @param {string} stack
 * @param {(line: string) => void} say
 */
function releaseLocks(stack, say) {
    const folder = lockFolder(stack);
    if (!fs.existsSync(folder)) {
        return;
    }
    for (const entry of fs.readdirSync(folder).filter((name) => name.endsWith(".json"))) {
        const file = path.join(folder, entry);
        const lock = readJson(file);
        if (lock === undefined || (isThisHost(lock.hostname) && !isPulumi(lock.pid))) {
            fs.rmSync(file, { force: true });
            fs.rmSync(`${file}.attrs`, { force: true });
            say("an earlier run was killed: its lock on the stack is released");
            continue;
        }
        throw new UserError(
            `another run is working on the stack ${stack}: process ${lock.pid} of ${lock.username}@${lock.hostname}, since ${lock.timestamp}`,
            isThisHost(lock.hostname)
                ? `wait until it has ended; if it hangs, stop it ("kill -INT ${lock.pid}") and run the command again`
                : `wait until it has ended; if that computer is gone, remove ${file}`,
        );
    }
}

/**
 * Removes what a run that was killed had begun to write beside the state; it says nothing that is needed, but what cannot
 * be read is an error to Pulumi. Today's backend has no such files (backend.js), an earlier one had.
 * @param {string} stack
 */
function dropBrokenMetadata(stack) {
    for (const file of [`${stateFile(stack)}.attrs`, `${stateFile(stack)}.bak.attrs`]) {
        if (fs.existsSync(file) && readJson(file) === undefined) {
            fs.rmSync(file, { force: true });
        }
    }
}

/**
 * Whether the process lives and is a Pulumi CLI: numbers are reused.
 * @param {number} pid
 */
function isPulumi(pid) {
    if (startOf(pid) === "") {
        return false;
    }
    try {
        return fs.readFileSync(`/proc/${pid}/comm`, "utf8").startsWith("pulumi");
    } catch {
        return true; // Not Linux: believe that it is.
    }
}

/** @param {string} file */
function readJson(file) {
    try {
        return JSON.parse(fs.readFileSync(file, "utf8"));
    } catch {
        return undefined;
    }
}

/** @param {any} state @returns {PendingOperation[]} */
function pendingIn(state) {
    return state?.checkpoint?.latest?.pending_operations ?? [];
}

/** @param {PendingOperation} operation */
function describe({ type, resource }) {
    return `${type} ${resource.urn.split("::").at(-1)}`;
}

/**
 * Removes Docker objects that were being made: they may exist although the state does not know them, and their
 * names are needed again.
 * @param {string} stack
 * @param {PendingOperation[]} pending
 * @param {(line: string) => void} say
 */
async function removeHalfMade(stack, pending, say) {
    const known = new Set(resourcesIn(stack).map(({ id }) => id));
    const names = pending
        .filter(({ type, resource }) => type === "creating" && resource.type.startsWith("docker:index/"))
        .map(({ resource }) => resource.inputs?.["name"]);
    const orphans = (await objectsOf(stack)).filter(({ id, name }) => names.includes(name) && !known.has(id));
    if (orphans.length > 0) {
        say(`removing the half-made ${orphans.map(({ kind, name }) => `${kind} ${name}`).join(", ")}`);
        const left = await removeObjects(orphans);
        if (left.length > 0) {
            throw new UserError(
                `half-made Docker objects cannot be removed:\n    ${left.join("\n    ")}`,
                "remove them by hand",
            );
        }
    }
}

/** @param {import("./pulumi").Pulumi} pulumi */
async function dropPending(pulumi) {
    const { stdout } = await pulumi.capture(
        ["stack", "export", "--stack", pulumi.stack],
        "the state cannot be read",
    );
    const state = JSON.parse(stdout);
    state.deployment.pending_operations = [];
    await pulumi.capture(["stack", "import", "--stack", pulumi.stack], "the state cannot be repaired", {
        input: JSON.stringify(state),
    });
}

module.exports = { recover, releaseLocks, dropBrokenMetadata, pendingIn, removeHalfMade };
