// @ts-check
"use strict";

const { forgetStack, hasResources, resourcesIn } = require("./backend");
const { choiceFrom } = require("./choice");
const { askEngine, ensureDocker } = require("./docker");
const { Downloader } = require("./download");
const { UserError } = require("./errors");
const { ensureImages } = require("./imagebuild");
const { expiryWarning, hasExpired, readLifetime, span } = require("./lifetime");
const { linodeAdvice } = require("./linode/advice");
const { isOnLinode, lifetimeOf, refuseLinodeStrangers, Teardown } = require("./linode/stack");
const { removeStraysAtLinode } = require("./linode/strays");
const { objectsOf, removeObjects } = require("./objects");
const { ensurePackages } = require("./packages");
const { preflight } = require("./preflight");
const { Progress, duration } = require("./progress");
const { Pulumi, judgeOutcome } = require("./pulumi");
const { recover } = require("./recover");
const { setUp } = require("./setup");
const { labOf, settingsOf, substrateOf } = require("./stackfile");
const { Tools } = require("./tools");
const { isLab, needsOf } = require("./versions");

/** @param {string} stack */
async function up(stack) {
    const began = Date.now();
    const ready = await setUp(needsOfStack(stack), { stack });
    const say = (/** @type {string} */ line) => ready.progress.line(line);
    const pulumi = new Pulumi(stack, ready);
    const linode = isOnLinode(stack);
    if (pulumi.backend.ours && !hasResources(stack)) {
        await refuseStrangers(stack);
        await (linode ? refuseLinodeStrangers(pulumi) : undefined);
    }
    await refuseConflicts(stack, say);
    await pulumi.create();
    await recover(pulumi, say);
    await (linode ? removeStraysAtLinode(pulumi, say) : undefined);
    say(`pulumi up (stack ${stack}, state: ${pulumi.backend.reason})`);
    // Unattended by design; `make preview` is for looking first.
    const options = ["--yes", "--skip-preview", "--suppress-outputs", ...refresh()];
    const outcome = await pulumi.operate("up", options, { errors: linode });
    linodeAdvice(outcome.errors, stack).forEach(say);
    const image = settingsOf(stack)["webapp"]?.image;
    if (outcome.code !== 0 && image !== undefined) {
        say(
            `if an image cannot be pulled or does not run: gatehouse:webapp.image is ${image}; correct it, or remove it to use the image that is built here`,
        );
    }
    judgeOutcome(stack, "up", outcome);
    printUrls((await outputsOf(pulumi))["urls"]);
    say(`done in ${duration((Date.now() - began) / 1000)}`);
}

/** @param {string} stack */
async function preview(stack) {
    const ready = await setUp(needsOfStack(stack), { stack, images: false });
    const pulumi = new Pulumi(stack, ready);
    await pulumi.create();
    await recover(pulumi, (line) => ready.progress.line(line));
    judgeOutcome(stack, "preview", await pulumi.operate("preview", ["--diff", ...refresh()]));
}

/**
 * An unknown lab needs what it takes to say so: the program names every wrong setting at once, this one among them.
 * @param {string} stack
 */
function needsOfStack(stack) {
    const lab = labOf(stack);
    return isLab(lab) ? needsOf(lab, undefined, substrateOf(stack)) : { ...needsOf("nomad"), images: [] };
}

/** REFRESH=1: look first what has become of everything, so that what somebody changed by hand is put right. */
function refresh() {
    return process.env["REFRESH"] === "1" ? ["--refresh"] : [];
}

/** @param {string} stack */
async function down(stack) {
    const force = process.env["FORCE"] === "1";
    const ready = await setUp(needsOfStack(stack), { images: false });
    const say = (/** @type {string} */ line) => ready.progress.line(line);
    const pulumi = new Pulumi(stack, ready);
    const exists = await pulumi.exists();
    if (process.env["EXPIRED"] === "1" && !(await isDue(pulumi, exists, say))) {
        return;
    }
    const linode = isOnLinode(stack) ? new Teardown(pulumi, say) : undefined;
    await linode?.look();
    if (exists) {
        await recover(pulumi, say);
        await (linode ? removeStraysAtLinode(pulumi, say) : undefined);
        say(`pulumi destroy (stack ${stack})`);
        const options = ["--yes", "--skip-preview", "--suppress-outputs"];
        const outcome = await pulumi.operate("destroy", options, { errors: linode !== undefined });
        linodeAdvice(outcome.errors, stack).forEach(say);
        if (outcome.interrupted || !force) {
            judgeOutcome(stack, "destroy", outcome);
        }
    } else if (!force) {
        await refuseStrangers(stack);
        linode?.refuse(
            `if another checkout made them, run "make down STACK=${stack}" there; otherwise "make down STACK=${stack} FORCE=1" removes them`,
        );
    }
    // While the stack is there its token can be read, also by the next attempt.
    await linode?.settle({ force });
    if (exists) {
        const rm = ["stack", "rm", stack, "--yes", "--preserve-config", ...(force ? ["--force"] : [])];
        await pulumi.capture(rm, `the state of ${stack} cannot be removed`);
        if (pulumi.backend.ours) {
            forgetStack(stack);
        }
    }
    const left = await objectsOf(stack);
    if (left.length > 0) {
        say(
            `removing ${left.map(({ kind, name }) => `${kind} ${name}`).join(", ")}, which the state did not know`,
        );
        const failures = await removeObjects(left);
        if (failures.length > 0) {
            throw new UserError(
                `these cannot be removed:\n    ${failures.join("\n    ")}`,
                "remove them by hand, then run the command again",
            );
        }
    }
    linode?.requireAnswer({ force });
    say(
        `the stack ${stack} and its state are gone: "pulumi stack rm" is done, too. Cached images and tools stay for the next time ("make clean" removes them)`,
    );
}

/**
 * EXPIRED=1: whether the stack's time to live is over. A stack without one never ends by itself.
 * @param {import("./pulumi").Pulumi} pulumi
 * @param {boolean} exists
 * @param {(line: string) => void} say
 */
async function isDue(pulumi, exists, say) {
    const { stack } = pulumi;
    if (!exists) {
        say(`there is no stack ${stack}, so there is nothing that could have expired`);
        return false;
    }
    const lifetime = await lifetimeOf(pulumi, await outputsOf(pulumi));
    const now = new Date();
    if (hasExpired(lifetime, now)) {
        return true;
    }
    say(
        lifetime?.expires === undefined
            ? `the stack ${stack} stays: it has no time to live (gatehouse:linode.ttl)`
            : `the stack ${stack} stays: its time to live ends in ${span(Date.parse(lifetime.expires) - now.getTime())} (${lifetime.expires})`,
    );
    return false;
}

/**
 * Objects that carry the stack's name but are not in this checkout's state: another checkout's, or left over after
 * the state was deleted by hand. Nobody but the user can tell.
 * @param {string} stack
 */
async function refuseStrangers(stack) {
    const objects = await objectsOf(stack);
    if (objects.length > 0) {
        throw new UserError(
            `STACK=${stack}: this checkout's state knows no such stack, but Docker has ${objects.map(({ kind, name }) => `the ${kind} ${name}`).join(", ")}`,
            `if another checkout made them, run "make down STACK=${stack}" there or use another STACK here; otherwise "make down STACK=${stack} FORCE=1" removes them`,
        );
    }
}

/** @param {string} stack @param {(line: string) => void} say */
async function refuseConflicts(stack, say) {
    const findings = await preflight(stack);
    findings.filter(({ level }) => level === "warning").forEach(({ what }) => say(`warning: ${what}`));
    const blocking = findings.filter(({ level }) => level === "blocking");
    if (blocking.length > 0) {
        const lines = blocking.map(({ what, remedy }) => `${what}\n      what to do: ${remedy}`);
        throw new UserError(`nothing was changed:\n    ${lines.join("\n    ")}`);
    }
}

/**
 * The stack's outputs: read from the state where it is ours, which saves half a second.
 * @param {import("./pulumi").Pulumi} pulumi
 * @returns {Promise<Record<string, unknown>>}
 */
async function outputsOf(pulumi) {
    if (pulumi.backend.ours) {
        return outputsInState(pulumi.stack);
    }
    const { stdout } = await pulumi.capture(
        ["stack", "output", "--json", "--stack", pulumi.stack],
        "the outputs cannot be read",
    );
    return JSON.parse(stdout);
}

/** @param {string} stack @returns {Record<string, unknown>} */
function outputsInState(stack) {
    return resourcesIn(stack).find(({ type }) => type === "pulumi:pulumi:Stack")?.outputs ?? {};
}

/** @param {unknown} urls */
function printUrls(urls) {
    const entries = Object.entries(urls ?? {}).filter(([, url]) => typeof url === "string");
    const width = Math.max(0, ...entries.map(([name]) => name.length));
    console.log(["", ...entries.map(([name, url]) => `  ${name.padEnd(width)}  ${url}`), ""].join("\n"));
}

/**
 * @param {string} stack
 * @param {Record<string, unknown>} outputs
 * @param {(line: string) => void} say
 */
function warnIfExpired(stack, outputs, say) {
    const warning = expiryWarning(stack, readLifetime(outputs["lifetime"]), new Date());
    if (warning !== undefined) {
        say(`warning: ${warning}`);
    }
}

/** @param {string} stack */
async function outputs(stack) {
    const ready = await setUp({ ...needsOfStack(stack), plugins: [] }, { docker: false });
    const pulumi = new Pulumi(stack, ready);
    if (!(await pulumi.exists())) {
        throw new UserError(`STACK=${stack}: the stack is not up`, `run "make up STACK=${stack}" first`);
    }
    const secrets = process.env["SECRETS"] === "1" ? ["--show-secrets"] : [];
    const { stdout } = await pulumi.capture(
        ["stack", "output", "--json", "--stack", stack, ...secrets],
        "the outputs cannot be read",
    );
    warnIfExpired(stack, JSON.parse(stdout), (line) => ready.progress.line(line));
    process.stdout.write(stdout);
}

/**
 * For `eval "$(make -s env)"`: with it a plain `pulumi` works on the same state.
 * @param {string} stack
 */
async function env(stack) {
    const ready = await setUp(needsOfStack(stack), { images: false, quiet: true });
    const { additions, backend } = new Pulumi(stack, ready);
    if (backend.ours) {
        // Elsewhere the state would take a second to ask.
        warnIfExpired(stack, outputsInState(stack), (line) => ready.progress.line(line));
    }
    for (const [name, value] of Object.entries(additions)) {
        if (name !== "PATH") {
            console.log(`export ${name}='${value?.replace(/'/g, "'\\''")}'`);
        }
    }
    console.log(`export PULUMI_STACK='${stack}'`);
    console.log(`export PATH='${ready.toolFolders.join(":")}':"$PATH"`);
}

/** `setup [--for LAB]`; @param {string[]} args */
async function setupOnly(args) {
    const at = args.indexOf("--for");
    const what = at < 0 ? labOf("dev") : (args[at + 1] ?? "");
    await setUp(needsOf(what, "--for"));
}

/**
 * `images [--print] [NAME …] [TOOL=VERSION …]`: without names those of every lab; with versions where others than the
 * pinned ones are wanted. Also run by the program itself, where it has to be quick when there is nothing to do.
 * @param {string[]} args
 */
async function images(args) {
    const { imageReference } = require("./images");
    const choice = choiceFrom(args.filter((arg) => arg.includes("=")));
    const names = args.filter((arg) => !arg.startsWith("--") && !arg.includes("="));
    const wanted = names.length > 0 ? names : needsOf("test").images;
    if (args.includes("--print")) {
        wanted.forEach((name) => console.log(imageReference(name, choice)));
        return;
    }
    const progress = new Progress();
    const downloader = new Downloader();
    const engine = await askEngine();
    const present = engine.state === "answers" ? engine.images : await ensureDocker(progress);
    const tools = new Tools({ progress, downloader });
    await ensureImages(wanted, present, { progress, downloader, tools, choice });
}

/** For commands that need nothing but the Node packages. */
async function packages() {
    await ensurePackages(new Progress());
}

module.exports = { up, preview, down, outputs, env, setupOnly, images, packages };
