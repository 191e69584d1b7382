// @ts-check
"use strict";

const crypto = require("node:crypto");

/**
 * How long a label may be, by kind (https://techdocs.akamai.com/linode-api; an instance's as the provider checks it).
 * @typedef {keyof typeof limits} Labelled what a label is for
 */
const limits = { instance: 50, firewall: 32, nodeBalancer: 32, placementGroup: 64, vpc: 64, subnet: 64 };

/** The most characters of a tag. */
const tagLimit = 50;

/**
 * For everything of a stack that can have tags; the last one is the stack's own. Linode compares tags, and shows them,
 * in lower case.
 * @param {string} project
 * @param {string} stack
 * @returns {[string, string]}
 */
function tagsOf(project, stack) {
    return [fit(project.toLowerCase(), tagLimit), fit(`${project}:${stack}`.toLowerCase(), tagLimit)];
}

/**
 * `<project>-<stack>-<name>`, because labels are unique in an account; what is too long, or has characters that no label
 * may have, ends with its hash.
 * @param {string} project
 * @param {string} stack
 * @param {Labelled} kind
 * @param {string} name
 */
function labelOf(project, stack, kind, name) {
    const wanted = `${project}-${stack}-${name}`;
    const allowed = wanted
        .replaceAll(/[^A-Za-z0-9-]/g, "-")
        .replaceAll(/-{2,}/g, "-")
        .replaceAll(/^-|-$/g, "");
    return fit(allowed, limits[kind], wanted);
}

/** A stack's name as one label of a host name. @param {string} stack */
function hostLabel(stack) {
    return stack
        .toLowerCase()
        .replaceAll(/[^a-z0-9]+/g, "-")
        .replaceAll(/^-|-$/g, "");
}

/** @param {string} text @param {number} limit @param {string} [whole] what it stands for: it gets a hash when that is another */
function fit(text, limit, whole = text) {
    if (text.length <= limit && text === whole) {
        return text;
    }
    const hash = crypto.createHash("sha256").update(whole).digest("hex").slice(0, 6);
    return `${text.slice(0, limit - hash.length - 1).replace(/[^A-Za-z0-9]+$/, "")}-${hash}`;
}

module.exports = { tagsOf, labelOf, hostLabel };
