// @ts-check
"use strict";

const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const os = require("node:os");
const { setTimeout: sleep } = require("node:timers/promises");
const { inCache } = require("./paths");
const { codeOf } = require("./errors");

/** How often a holder shows that it lives, in milliseconds. */
const heartbeat = 5_000;
/** After this long without a sign a lock of another host (or container) counts as left behind. */
const abandonedAfter = 60_000;
/** After this long a half-done steal counts as left behind. */
const stealAbandonedAfter = 10_000;

/**
 * Runs `work` while no other process runs work under the same name. A holder that was killed does not block
 * anyone: its lock is taken over as soon as its process is gone.
 * @template T
 * @param {string} name
 * @param {() => Promise<T>} work
 * @param {(holder: string) => void} [onWait] told once when another process holds the lock
 * @returns {Promise<T>}
 */
async function withLock(name, work, onWait) {
    const file = inCache("locks", `${name.replace(/[^\w.-]/g, "_")}.lock`);
    await acquire(file, onWait);
    const beat = setInterval(() => touch(file), heartbeat);
    beat.unref();
    try {
        return await work();
    } finally {
        clearInterval(beat);
        fs.rmSync(file, { force: true });
    }
}

/**
 * @param {string} file
 * @param {((holder: string) => void) | undefined} onWait
 */
async function acquire(file, onWait) {
    const draft = `${file}.${process.pid}.${Math.random().toString(36).slice(2)}`;
    const me = { pid: process.pid, started: startOf(process.pid), host: os.hostname() };
    for (let attempt = 0; ; attempt++) {
        fs.writeFileSync(draft, JSON.stringify(me));
        try {
            fs.linkSync(draft, file); // Atomic, and the content is there from the first moment.
            return;
        } catch (error) {
            if (codeOf(error) !== "EEXIST") {
                throw error;
            }
        } finally {
            fs.rmSync(draft, { force: true });
        }
        if (isStale(file)) {
            steal(file);
            continue;
        }
        if (attempt === 0) {
            onWait?.(`process ${holderOf(file)?.pid ?? "?"}`);
        }
        await sleep(Math.min(50 * (attempt + 1), 500));
    }
}

/**
 * Removes a stale lock. Only one process at a time may do so, and it looks again first; otherwise two could
 * remove in turn, and the second would remove the first one's new lock.
 * @param {string} file
 */
function steal(file) {
    const guard = `${file}.steal`;
    try {
        fs.closeSync(fs.openSync(guard, "wx"));
    } catch (error) {
        if (codeOf(error) !== "EEXIST") {
            throw error;
        }
        if ((ageOf(guard) ?? 0) > stealAbandonedAfter) {
            fs.rmSync(guard, { force: true });
        }
        return;
    }
    try {
        if (isStale(file)) {
            fs.rmSync(file, { force: true });
        }
    } finally {
        fs.rmSync(guard, { force: true });
    }
}

/** @param {string} file @returns {{ pid: number, started: string, host: string } | undefined} */
function holderOf(file) {
    try {
        return JSON.parse(fs.readFileSync(file, "utf8"));
    } catch {
        return undefined;
    }
}

/** @param {string} file */
function isStale(file) {
    const holder = holderOf(file);
    const age = ageOf(file);
    if (age === undefined) {
        return false; // Released meanwhile.
    }
    if (holder === undefined || holder.host !== os.hostname()) {
        return age > abandonedAfter;
    }
    return startOf(holder.pid) !== holder.started;
}

/** Milliseconds since the last sign of life. @param {string} file */
function ageOf(file) {
    try {
        return Date.now() - fs.statSync(file).mtimeMs;
    } catch {
        return undefined;
    }
}

/** @param {string} file */
function touch(file) {
    try {
        fs.utimesSync(file, new Date(), new Date());
    } catch {
        // Removed by `make clean`; the work goes on.
    }
}

/**
 * When a process started; it tells a process from a later one with the same number. Empty when there is none.
 * @param {number} pid
 */
function startOf(pid) {
    try {
        if (process.platform === "linux") {
            const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
            const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
            return fields[0] === "Z" ? "" : (fields[19] ?? "");
        }
        return execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], {
            stdio: ["ignore", "pipe", "ignore"],
        })
            .toString()
            .trim();
    } catch {
        return "";
    }
}

module.exports = { withLock, startOf };
