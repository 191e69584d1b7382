// @ts-check
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { choiceOf } = require("./choice");
const { UserError } = require("./errors");
const { root, stackFolder, stateDirectory } = require("./paths");
const { isLab, placeOf } = require("./versions");

const project = "gatehouse";

/** @param {string} stack */
function checkName(stack) {
    if (!/^[a-z0-9][a-z0-9-]{0,39}$/i.test(stack)) {
        throw new UserError(
            `STACK=${stack} is not a stack name`,
            "use letters, digits and hyphens, at most 40: the name becomes part of container and host names",
        );
    }
}

/** @param {string} stack */
function stackFile(stack) {
    return path.join(stackFolder, `Pulumi.${stack}.yaml`);
}

/** @param {string} stack */
function readStackFile(stack) {
    checkName(stack);
    try {
        return fs.readFileSync(stackFile(stack), "utf8");
    } catch {
        const known = fs
            .readdirSync(stackFolder)
            .flatMap((file) => /^Pulumi\.(.+)\.yaml$/.exec(file)?.[1] ?? []);
        throw new UserError(
            `STACK=${stack}: there is no Pulumi.${stack}.yaml`,
            `use one of the stacks ${known.join(", ")}, or write the file (see "The stack's settings" in README.md)`,
        );
    }
}

/**
 * The lab that a stack selects. Read without a YAML parser, because the packages may not be installed yet; the
 * program reads it again, properly.
 * @param {string} stack
 */
function labOf(stack) {
    return /^\s*["']?gatehouse:lab["']?:\s*["']?([\w-]+)/m.exec(readStackFile(stack))?.[1] ?? "nomad";
}

/**
 * Where a stack's machines run. Read like {@link labOf}.
 * @param {string} stack
 */
function substrateOf(stack) {
    return /^\s*["']?gatehouse:substrate["']?:\s*["']?([\w-]+)/m.exec(readStackFile(stack))?.[1] ?? "docker";
}

/**
 * A stack's settings below `gatehouse:`, over its lab's defaults and those in Pulumi.yaml. Needs the Node packages.
 * @param {string} stack
 * @returns {Record<string, any>}
 */
function settingsOf(stack) {
    const yaml = require(require.resolve("yaml", { paths: [root] }));
    const declared = yaml.parse(fs.readFileSync(path.join(root, "Pulumi.yaml"), "utf8")).config ?? {};
    const given = yaml.parse(readStackFile(stack))?.config ?? {};
    /** @type {Record<string, any>} */
    const settings = {};
    for (const [key, schema] of Object.entries(declared)) {
        settings[key.replace(/^gatehouse:/, "")] = schema?.default;
    }
    const lab = labOf(stack);
    if (isLab(lab)) {
        const { subnet, ports, servers } = placeOf(lab);
        Object.assign(settings, { network: { subnet }, ports, servers });
    }
    for (const [key, value] of Object.entries(given)) {
        const name = key.replace(/^gatehouse:/, "");
        const both = isObject(value) && isObject(settings[name]);
        settings[name] = both ? { ...settings[name], ...value } : value;
    }
    return settings;
}

/**
 * Whether a stack chooses versions of tools. Read without a YAML parser: most stacks do not, and need not wait for one.
 * @param {string} stack
 */
function choosesVersions(stack) {
    return labOf(stack) === "routed" && /^\s*["']?gatehouse:versions\b/m.test(readStackFile(stack));
}

/**
 * The versions that a stack wants instead of the pinned ones; undefined when it asks for what is none. Needs the Node
 * packages if {@link choosesVersions}.
 * @param {string} stack
 * @returns {import("./choice").Choice | undefined}
 */
function versionsOf(stack) {
    return choosesVersions(stack) ? choiceOf(settingsOf(stack)["versions"]) : {};
}

/** @param {unknown} value */
function isObject(value) {
    return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * The stack file that Pulumi gets in the default backend: a copy with this checkout's encryption salt, which belongs
 * to the passphrase in .gatehouse and not into git. A file that has a salt of its own is used as it is.
 * @param {string} stack
 * @returns {string}
 */
function configFileFor(stack) {
    const text = readStackFile(stack);
    if (/^encryptionsalt:/m.test(text)) {
        return stackFile(stack);
    }
    const copy = configCopy(stack);
    const salt = saltIn(copy);
    fs.mkdirSync(path.dirname(copy), { recursive: true });
    fs.writeFileSync(copy, salt === undefined ? text : `${salt}\n${text}`);
    return copy;
}

/**
 * `pulumi stack init` writes the salt into the stack file in git: moves it to the copy.
 * @param {string} stack
 * @param {string} before the stack file as it was
 * @returns {string} the file for Pulumi
 */
function moveSalt(stack, before) {
    const salt = saltIn(stackFile(stack));
    if (salt === undefined || /^encryptionsalt:/m.test(before)) {
        return configFileFor(stack);
    }
    const copy = configCopy(stack);
    fs.mkdirSync(path.dirname(copy), { recursive: true });
    fs.writeFileSync(copy, `${salt}\n${before}`);
    fs.writeFileSync(stackFile(stack), before);
    return copy;
}

/** @param {string} stack */
function configCopy(stack) {
    return path.join(stateDirectory, "config", `Pulumi.${stack}.yaml`);
}

/** @param {string} file */
function saltIn(file) {
    try {
        return /^encryptionsalt: \S+$/m.exec(fs.readFileSync(file, "utf8"))?.[0];
    } catch {
        return undefined;
    }
}

module.exports = {
    project,
    checkName,
    labOf,
    substrateOf,
    settingsOf,
    choosesVersions,
    versionsOf,
    configFileFor,
    moveSalt,
    stackFile,
};
