// @ts-check
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { chooseBackend, hasResources, stateFile } = require("./backend");
const { askEngine } = require("./docker");
const { UserError } = require("./errors");
const { cacheDirectory, stateDirectory } = require("./paths");
const { label } = require("./rootimage");
const { run } = require("./run");

/** What this program puts into its cache folder; a folder of the user's choice may hold other things too. */
const cacheEntries = [
    "tools",
    "work",
    "stand-ins",
    "pulumi-home",
    "plugins-unreachable",
    "locks",
    "logs",
    "facts.json",
    "dockerd.log",
];

/** Removes everything that outlives `make down`: base images, tools, plugins, logs and this checkout's state folder. */
async function clean() {
    refuseWithStacks();
    await removeImages();
    for (const entry of cacheEntries) {
        fs.rmSync(path.join(cacheDirectory(), entry), { recursive: true, force: true });
    }
    removeIfEmpty(cacheDirectory());
    fs.rmSync(stateDirectory, { recursive: true, force: true });
    console.log(`removed the images, ${cacheDirectory()} and ${stateDirectory}`);
    console.log("node_modules stays; Docker and the packages it came with stay too");
}

/** The state of a stack that is up is the only way to take it down again. */
function refuseWithStacks() {
    const stacks = [...knownStacks()];
    if (stacks.length > 0) {
        throw new UserError(
            `these stacks still exist: ${stacks.join(", ")}`,
            `remove them first: ${stacks.map((stack) => `make down STACK=${stack}`).join(" && ")}`,
        );
    }
}

function* knownStacks() {
    if (!chooseBackend().ours) {
        return;
    }
    const folder = path.dirname(stateFile("any"));
    for (const file of fs.existsSync(folder) ? fs.readdirSync(folder) : []) {
        const [, stack] = /^([^.]+)\.json$/.exec(file) ?? [];
        if (stack !== undefined && hasResources(stack)) {
            yield stack;
        }
    }
}

async function removeImages() {
    const { state } = await askEngine();
    if (state !== "answers") {
        console.log("no Docker engine answers: its images, if any, stay");
        return;
    }
    const images = [
        ...(await imagesWith("reference=gatehouse/*")),
        // Application images, by the address of the registry that they were pushed to.
        ...(await imagesWith(`label=${label}`)).filter((name) => /^127\.0\.0\.1:\d+\//.test(name)),
    ];
    if (images.length > 0) {
        const { code, stderr } = await run("docker", ["image", "rm", ...images]);
        if (code !== 0) {
            throw new UserError(
                `some images cannot be removed:\n    ${stderr.trim().replace(/\n/g, "\n    ")}`,
                'containers use them: remove those ("docker ps -a" shows them), then run the command again',
            );
        }
    }
    // Build stages and superseded images have no name, but inherit the root image's label.
    await run("docker", ["image", "prune", "--force", "--filter", `label=${label}`]);
}

/** @param {string} filter @returns {Promise<string[]>} names with tags */
async function imagesWith(filter) {
    const { stdout } = await run("docker", [
        "image",
        "ls",
        "--filter",
        filter,
        "--format",
        "{{.Repository}}:{{.Tag}}",
    ]);
    return stdout.split("\n").filter((line) => line !== "" && !line.includes("<none>"));
}

/** @param {string} folder */
function removeIfEmpty(folder) {
    try {
        fs.rmdirSync(folder);
    } catch {
        // Not empty, or not there.
    }
}

module.exports = { clean };
