// @ts-check
"use strict";

const crypto = require("node:crypto");
const fs = require("node:fs");
const path = require("node:path");
const { UserError } = require("./errors");
const { hostArchitecture, root } = require("./paths");
const { keyOf, versions } = require("./versions");

/**
 * A base image: third-party software, no source of ours. Its Dockerfile begins with `ARG PARENT` and
 * `FROM ${PARENT}`; the tools, if it has any, lie in the context's folder `tools/`.
 * @typedef {object} BaseImage
 * @property {string} context folder of the Dockerfile, from the checkout's root
 * @property {string} parent another base image, or `root`
 * @property {string[]} tools
 */

/** @type {Record<string, BaseImage>} */
const baseImages = {
    base: { context: "images/base", parent: "root", tools: [] },
    "machine-nomad": { context: "images/machine", parent: "base", tools: ["consul", "nomad"] },
    "machine-routed": {
        context: "images/machine-routed",
        parent: "machine-nomad",
        tools: ["consul-template"],
    },
    "machine-member": { context: "images/machine", parent: "base", tools: ["etcd", "etcdctl"] },
    "machine-etcd": { context: "images/machine-etcd", parent: "machine-member", tools: ["confd"] },
    "machine-rehearsal": { context: "images/machine-rehearsal", parent: "machine-routed", tools: [] },
    registry: { context: "images/registry", parent: "base", tools: [] },
    node: { context: "images/node", parent: "base", tools: [] },
    pause: { context: "images/pause", parent: "base", tools: [] },
    "haproxy-base": { context: "images/haproxy-base", parent: "base", tools: [] },
    "envoy-base": { context: "images/envoy-base", parent: "base", tools: ["envoy"] },
    "balancer-base": { context: "images/balancer-base", parent: "base", tools: [] },
    consul: { context: "images/consul", parent: "base", tools: ["consul"] },
    "consul-template-base": {
        context: "images/consul-template-base",
        parent: "haproxy-base",
        tools: ["consul-template"],
    },
    pebble: { context: "tests/images/pebble", parent: "base", tools: [] },
    "load-generator": { context: "bench/image", parent: "base", tools: [] },
    "bench-peers": { context: "bench/peers", parent: "base", tools: ["traefik", "envoy"] },
};

/** How the root image is made (toolchain/rootimage.js): raise it when that changes. */
const rootRecipe = 1;

/** @typedef {import("./choice").Choice} Choice */

/** @type {Map<string, string>} */
const references = new Map();

/**
 * The reference `gatehouse/<name>:<hash>` of a base image. The hash covers everything that decides its content, so
 * an image that exists under its reference is up to date. Neither Docker nor the network is asked.
 * @param {string} name
 * @param {Choice} [choice] versions of tools, where others than the pinned ones are wanted
 * @returns {string}
 */
function imageReference(name, choice = {}) {
    const key = `${name} ${JSON.stringify(choice)}`;
    let reference = references.get(key);
    if (reference === undefined) {
        reference = name === "root" ? rootReference() : computeReference(name, choice);
        references.set(key, reference);
    }
    return reference;
}

function rootReference() {
    return `gatehouse/root:${versions.debian}-${digest([`recipe ${rootRecipe}`, hostArchitecture()])}`;
}

/** @param {string} name @param {Choice} choice */
function computeReference(name, choice) {
    const image = imageOf(name);
    const parts = [
        imageReference(image.parent, choice),
        ...image.tools.map((tool) => `${tool} ${keyOf(tool, choice[tool])}`),
    ];
    for (const file of contextFiles(image)) {
        const full = path.join(root, image.context, file);
        const executable = (fs.statSync(full).mode & 0o111) !== 0;
        const content = crypto.createHash("sha256").update(fs.readFileSync(full)).digest("hex");
        parts.push(`${file} ${executable ? "x" : "-"} ${content}`);
    }
    return `gatehouse/${name}:${digest(parts)}`;
}

/** @param {string} name @returns {BaseImage} */
function imageOf(name) {
    const image = baseImages[name];
    if (image === undefined) {
        throw new UserError(
            `there is no base image named ${name}`,
            `the base images are ${Object.keys(baseImages).join(", ")} (toolchain/images.js)`,
        );
    }
    return image;
}

/**
 * The files of an image's context, sorted; notes for people are none of them.
 * @param {BaseImage} image
 * @returns {string[]}
 */
function contextFiles(image) {
    const folder = path.join(root, image.context);
    if (!fs.existsSync(path.join(folder, "Dockerfile"))) {
        throw new UserError(
            `${image.context}/Dockerfile is missing`,
            `restore it: git checkout -- ${image.context}`,
        );
    }
    return fs
        .readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && !/(^README\.md|~|\.swp)$/.test(entry.name))
        .map((entry) => path.relative(folder, path.join(entry.parentPath ?? entry.path, entry.name)))
        .filter((file) => !file.startsWith(`tools${path.sep}`))
        .sort();
}

/** @param {string[]} parts */
function digest(parts) {
    return crypto.createHash("sha256").update(parts.join("\n")).digest("hex").slice(0, 12);
}

/**
 * Images in the order in which they can be built: the given ones and their parents.
 * @param {string[]} names
 * @returns {string[]}
 */
function withParents(names) {
    /** @type {Set<string>} */
    const ordered = new Set();
    const add = (/** @type {string} */ name) => {
        if (name !== "root") {
            add(imageOf(name).parent);
        }
        ordered.add(name);
    };
    names.forEach(add);
    return [...ordered];
}

module.exports = { baseImages, imageReference, imageOf, contextFiles, withParents };
