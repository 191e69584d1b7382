// @ts-check
"use strict";

const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");
const { codeOf } = require("./errors");
const { cacheDirectory, inCache } = require("./paths");

/**
 * Runs work that needs a temporary folder. It lies in the cache: hard links to the tools work there, and what a run
 * that was killed leaves behind is found by the next one.
 * @template T
 * @param {string} name
 * @param {(folder: string) => Promise<T>} work
 * @returns {Promise<T>}
 */
async function withWorkFolder(name, work) {
    const folder = fs.mkdtempSync(inCache("work", `${process.pid}-${name}-`));
    try {
        return await work(folder);
    } finally {
        removeFolder(folder);
    }
}

/** Removes what runs that were killed left half-done: folders that name a process that is no more. */
function removeLeftovers() {
    const tools = path.join(cacheDirectory(), "tools");
    const drafts = list(tools).flatMap((name) =>
        list(path.join(tools, name)).map((entry) => path.join(tools, name, entry)),
    );
    const work = list(path.join(cacheDirectory(), "work")).map((entry) =>
        path.join(cacheDirectory(), "work", entry),
    );
    for (const [folders, pattern] of /** @type {[string[], RegExp][]} */ ([
        [drafts, /\.partial-(\d+)$/],
        [work, /^(\d+)-/],
    ])) {
        for (const folder of folders) {
            const owner = Number(pattern.exec(path.basename(folder))?.[1] ?? 0);
            if (owner !== 0 && !isRunning(owner)) {
                removeFolder(folder);
            }
        }
    }
}

/** @param {string} folder */
function list(folder) {
    return fs.existsSync(folder) ? fs.readdirSync(folder) : [];
}

/** A debootstrap that was killed leaves /proc mounted in its target. @param {string} folder */
function removeFolder(folder) {
    for (const point of mountsBelow(folder).reverse()) {
        try {
            execFileSync("umount", ["--lazy", point], { stdio: "ignore" });
        } catch {
            return; // What is mounted must not be deleted through.
        }
    }
    fs.rmSync(folder, { recursive: true, force: true });
}

/** @param {string} folder */
function mountsBelow(folder) {
    try {
        return fs
            .readFileSync("/proc/self/mounts", "utf8")
            .split("\n")
            .map((line) => line.split(" ")[1] ?? "")
            .filter((point) => point.startsWith(`${folder}/`));
    } catch {
        return []; // Not Linux.
    }
}

/** @param {number} pid */
function isRunning(pid) {
    try {
        process.kill(pid, 0);
        return true;
    } catch (error) {
        return codeOf(error) === "EPERM";
    }
}

module.exports = { withWorkFolder, removeLeftovers };
