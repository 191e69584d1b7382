// @ts-check
"use strict";

const { spawn } = require("node:child_process");
const path = require("node:path");
const { UserError } = require("./errors");
const { root } = require("./paths");
const { setUp } = require("./setup");
const { labOf } = require("./stackfile");
const { needsOf, snapshotNeedsOf } = require("./versions");

/**
 * `run --for NEEDS -- COMMAND [ARGUMENT …]`: sets up what labs.json lists under NEEDS, or for `snapshots` what it lists
 * so for the lab of STACK, and runs a program of the Node packages with the tools on its PATH.
 * @param {string[]} args
 * @returns {Promise<number>} the command's exit code
 */
async function runWith(args) {
    const [option, needs, separator, command, ...rest] = args;
    if (option !== "--for" || needs === undefined || separator !== "--" || command === undefined) {
        throw new UserError("run: wrong arguments", "node toolchain/cli.js run --for test -- mocha");
    }
    const ready = await setUp(
        needs === "snapshots"
            ? snapshotNeedsOf(labOf(process.env["STACK"] ?? "dev"))
            : needsOf(needs, "--for"),
    );
    const folders = [...new Set(ready.toolFolders), path.join(root, "node_modules", ".bin")];
    return new Promise((resolve, reject) => {
        const child = spawn(command, rest, {
            cwd: root,
            env: {
                ...process.env,
                PATH: [...folders, process.env["PATH"] ?? ""].join(path.delimiter),
                ...(ready.dockerHost === undefined ? {} : { DOCKER_HOST: ready.dockerHost }),
            },
            stdio: "inherit",
        });
        // A terminal's Ctrl-C reaches the command by itself; what arrives here only must not end this process first.
        process.on("SIGINT", () => {}).on("SIGTERM", () => child.kill("SIGTERM"));
        child.on("error", reject);
        child.on("close", (code) => resolve(code ?? 1));
    });
}

module.exports = { runWith };
