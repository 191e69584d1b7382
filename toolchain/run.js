// @ts-check
"use strict";

const { spawn } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");
const { UserError, codeOf } = require("./errors");

/**
 * @typedef {object} RunOptions
 * @property {string} [cwd]
 * @property {NodeJS.ProcessEnv} [env] the whole environment, not additions
 * @property {string} [log] a file that gets everything the command prints
 * @property {(line: string) => void} [onLine] each line of either stream
 * @property {number} [timeout] seconds after which the command is killed
 * @property {string} [input] for its standard input, which is empty otherwise: nothing ever waits for a person
 *
 * @typedef {object} RunResult
 * @property {number} code the exit code; 128 and the signal's number for a signal
 * @property {string} stdout
 * @property {string} stderr
 * @property {boolean} timedOut
 */

/** @type {Set<import("node:child_process").ChildProcess>} */
const children = new Set();

/** Ends what is still running; for the way out after a signal. */
function killChildren() {
    for (const child of children) {
        killGroup(child, "SIGTERM");
    }
}

/**
 * Each command has a process group of its own, so that what it has started ends with it.
 * @param {import("node:child_process").ChildProcess} child
 * @param {NodeJS.Signals} signal
 */
function killGroup(child, signal) {
    try {
        process.kill(-(child.pid ?? NaN), signal);
    } catch {
        // It has ended.
    }
}

/**
 * Runs a command to its end. Rejects only when it cannot be started.
 * @param {string} command
 * @param {string[]} args
 * @param {RunOptions} [options]
 * @returns {Promise<RunResult>}
 */
function run(command, args, options = {}) {
    return new Promise((resolve, reject) => {
        const log = options.log === undefined ? undefined : fs.openSync(options.log, "a");
        if (log !== undefined) {
            fs.writeSync(log, `$ ${[command, ...args].join(" ")}\n`);
        }
        const child = spawn(command, args, {
            cwd: options.cwd,
            env: options.env ?? process.env,
            stdio: ["pipe", "pipe", "pipe"],
            detached: true,
        });
        children.add(child);
        let timedOut = false;
        const timer =
            options.timeout === undefined
                ? undefined
                : setTimeout(() => {
                      timedOut = true;
                      killGroup(child, "SIGKILL");
                  }, options.timeout * 1000);
        const collect = (/** @type {import("node:stream").Readable} */ stream) => {
            let text = "";
            let rest = "";
            stream.setEncoding("utf8");
            stream.on("data", (/** @type {string} */ chunk) => {
                text += chunk;
                if (log !== undefined) {
                    fs.writeSync(log, chunk);
                }
                if (options.onLine !== undefined) {
                    const lines = (rest + chunk).split(/\r?\n/);
                    rest = lines.pop() ?? "";
                    lines.forEach(options.onLine);
                }
            });
            return () => text;
        };
        const stdout = collect(child.stdout);
        const stderr = collect(child.stderr);
        child.stdin.on("error", () => {}); // The command may end without reading.
        child.stdin.end(options.input ?? "");
        const finish = () => {
            clearTimeout(timer);
            children.delete(child);
            if (log !== undefined) {
                fs.closeSync(log);
            }
        };
        child.on("error", (error) => {
            finish();
            reject(error);
        });
        child.on("close", (code, signal) => {
            finish();
            resolve({ code: code ?? signalCode(signal), stdout: stdout(), stderr: stderr(), timedOut });
        });
    });
}

/** @param {NodeJS.Signals | null} signal */
function signalCode(signal) {
    return 128 + (signal === null ? 0 : (require("node:os").constants.signals[signal] ?? 0));
}

/**
 * Runs a command that has to succeed.
 * @param {string} command
 * @param {string[]} args
 * @param {RunOptions & { what: string, remedy?: string }} options `what` names the step in the error
 * @returns {Promise<RunResult>}
 */
async function mustRun(command, args, options) {
    let result;
    try {
        result = await run(command, args, options);
    } catch (error) {
        if (codeOf(error) === "ENOENT") {
            throw new UserError(
                `${options.what}: ${command} is not installed`,
                options.remedy ?? `install ${command}`,
            );
        }
        throw error;
    }
    if (result.code !== 0) {
        const how = result.timedOut
            ? `took longer than ${options.timeout} s`
            : `ended with code ${result.code}`;
        throw new UserError(
            `${options.what}: ${path.basename(command)} ${how}\n${lastLines(result.stderr || result.stdout)}`,
            diskFull(result) ? diskFullRemedy : options.remedy,
            { log: options.log },
        );
    }
    return result;
}

const diskFullRemedy =
    "the disk is full: free some space (`docker system df` and `df -h` show where it went), then run the command again";

/** @param {{ stdout: string, stderr: string }} result */
function diskFull(result) {
    return /no space left on device|disk quota exceeded|ENOSPC/i.test(result.stderr + result.stdout);
}

/**
 * @param {string} text
 * @param {number} [count]
 */
function lastLines(text, count = 15) {
    const lines = text.trimEnd().split("\n").slice(-count);
    return lines.map((line) => `    ${line}`).join("\n");
}

/**
 * The file that a command name stands for, or undefined.
 * @param {string} command
 * @param {NodeJS.ProcessEnv} [env]
 */
function which(command, env = process.env) {
    for (const directory of (env["PATH"] ?? "").split(path.delimiter)) {
        const file = path.join(directory, command);
        try {
            fs.accessSync(file, fs.constants.X_OK);
            if (directory !== "" && fs.statSync(file).isFile()) {
                return file;
            }
        } catch {
            // The next folder.
        }
    }
    return undefined;
}

module.exports = { run, mustRun, which, lastLines, diskFull, diskFullRemedy, killChildren };
