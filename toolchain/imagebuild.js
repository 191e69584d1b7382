// @ts-check
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { contextFiles, imageOf, imageReference, withParents } = require("./images");
const { withLock } = require("./locks");
const { inCache, root } = require("./paths");
const { makeRootImage } = require("./rootimage");
const { mustRun, run } = require("./run");
const { link } = require("./tools");
const { withWorkFolder } = require("./workspace");

/**
 * @typedef {object} BuildContext
 * @property {import("./progress").Progress} progress
 * @property {import("./download").Downloader} downloader
 * @property {import("./tools").Tools} tools
 * @property {import("./choice").Choice} [choice] versions of tools, where others than the pinned ones are wanted
 */

/**
 * Makes sure that the engine has the base images; what is missing is built, side by side where independent.
 * @param {string[]} names
 * @param {Set<string>} present references that the engine has
 * @param {BuildContext} context
 */
async function ensureImages(names, present, context) {
    /** @type {Map<string, Promise<unknown>>} */
    const builds = new Map();
    const missing = withParents(names).filter((name) => !present.has(imageReference(name, context.choice)));
    // A parent is only needed to build a child: an image that is there does not miss its own.
    const needed = withParents(names.filter((name) => missing.includes(name))).filter((name) =>
        missing.includes(name),
    );
    for (const name of needed) {
        const parent = name === "root" ? undefined : builds.get(imageOf(name).parent);
        builds.set(name, buildLocked(name, parent, context));
    }
    const outcomes = await Promise.allSettled(builds.values());
    const failed = outcomes.find((outcome) => outcome.status === "rejected");
    if (failed !== undefined) {
        throw failed.reason;
    }
}

/**
 * @param {string} name
 * @param {Promise<unknown> | undefined} parent
 * @param {BuildContext} context
 */
async function buildLocked(name, parent, context) {
    const tools =
        name === "root"
            ? []
            : await Promise.all(
                  imageOf(name).tools.map((tool) => context.tools.ensure(tool, context.choice?.[tool])),
              );
    await parent;
    const reference = imageReference(name, context.choice);
    await context.progress.task(`image ${name}`, (step) =>
        withLock(
            `image-${reference}`,
            async () => {
                if (await exists(reference)) {
                    return;
                }
                if (name === "root") {
                    await makeRootImage(reference, context.downloader, step);
                } else {
                    const base = imageReference(imageOf(name).parent, context.choice);
                    await build(name, { reference, parent: base, tools }, step);
                }
            },
            (holder) => step.say(`waiting for ${holder}, which is building it`),
        ),
    );
}

/** @param {string} reference */
async function exists(reference) {
    return (await run("docker", ["image", "inspect", "--format", "{{.Id}}", reference])).code === 0;
}

/**
 * @param {string} name
 * @param {{ reference: string, parent: string, tools: string[] }} what `parent`: its reference; `tools`: files
 * @param {import("./progress").Step} step
 */
async function build(name, { reference, parent, tools }, step) {
    const image = imageOf(name);
    const log = inCache("logs", `image-${name}.log`);
    fs.rmSync(log, { force: true });
    step.say(`building ${reference} (log: ${log})`);
    await withWorkFolder(name, async (context) => {
        for (const file of contextFiles(image)) {
            fs.cpSync(path.join(root, image.context, file), path.join(context, file), { recursive: true });
        }
        fs.mkdirSync(path.join(context, "tools"), { recursive: true });
        for (const file of tools) {
            link(fs.realpathSync(file), path.join(context, "tools", path.basename(file)));
        }
        await mustRun("docker", buildArguments(reference, parent, context), {
            what: `the image ${name} cannot be built`,
            remedy: "read the log, then run the command again; finished steps are not repeated",
            log,
            onLine: (line) => {
                if (/^(Step \d+\/\d+|#\d+ \[)/.test(line)) {
                    step.update(line);
                }
            },
        });
    });
}

/**
 * The tag appears only when the whole build has succeeded: docker tags last.
 * @param {string} reference
 * @param {string} parent
 * @param {string} context
 * @param {NodeJS.ProcessEnv} [env]
 */
function buildArguments(reference, parent, context, env = process.env) {
    const proxies = ["http_proxy", "https_proxy", "no_proxy"].filter((name) => env[name]);
    return [
        "build",
        "--build-arg",
        `PARENT=${parent}`,
        ...proxies.flatMap((name) => ["--build-arg", name]),
        "--force-rm",
        "--tag",
        reference,
        context,
    ];
}

module.exports = { ensureImages, buildArguments };
