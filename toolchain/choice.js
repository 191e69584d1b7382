// @ts-check
"use strict";

const { UserError } = require("./errors");
const { compareVersions } = require("./gobuild");
const { versions } = require("./versions");

/**
 * Versions that a stack wants instead of the pinned ones, by tool. Only the vendor has them: what this project can
 * build is the pinned version alone.
 * @typedef {Record<string, string>} Choice
 */

/**
 * The tools whose version a stack may choose, with the oldest that understands what the `routed` lab writes into its
 * configuration (the vendors' changelogs say since when).
 * @type {Record<string, { version: string, knows: string }>}
 */
const floors = {
    consul: {
        version: "1.18.0",
        knows: "default_intention_policy, without which the mesh would follow the ACLs' default",
    },
    nomad: {
        version: "1.7.0",
        knows: "workload identities for Consul, nor how to hand leadership over",
    },
};

/**
 * What is wrong with a version that somebody has written down, or undefined. Whether the vendor has it is not asked.
 * @param {string} tool
 * @param {unknown} version
 * @returns {string | undefined}
 */
function versionProblem(tool, version) {
    const floor = floors[tool];
    const { version: pinned } = versions.tools[tool] ?? {};
    if (floor === undefined) {
        return `must be left out: only the versions of ${Object.keys(floors).join(" and ")} can be chosen`;
    }
    if (typeof version !== "string" || !/^(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}$/.test(version)) {
        return /^[\d.]+\+ent/.test(String(version))
            ? `must be a version of the community edition such as ${pinned}: the enterprise editions ask for a licence`
            : `must be a released version such as ${pinned}, all three numbers of it`;
    }
    if (compareVersions(version, floor.version) < 0) {
        return `must be at least ${floor.version}: older ones do not know ${floor.knows}`;
    }
    return undefined;
}

/**
 * The versions that are not the pinned ones. Undefined when one is wrong: the program says so, with all else that is.
 * @param {unknown} wanted the setting `gatehouse:versions`
 * @returns {Choice | undefined}
 */
function choiceOf(wanted) {
    if (typeof wanted !== "object" || wanted === null || Array.isArray(wanted)) {
        return wanted === undefined ? {} : undefined;
    }
    const entries = Object.entries(wanted);
    return entries.some(([tool, version]) => versionProblem(tool, version) !== undefined)
        ? undefined
        : Object.fromEntries(entries.filter(([tool, version]) => version !== versions.tools[tool]?.version));
}

/**
 * A choice as arguments of a command line, `consul=1.20.5`, in a fixed order.
 * @param {Choice} choice
 */
function choiceArguments(choice) {
    return Object.keys(choice)
        .sort()
        .map((tool) => `${tool}=${choice[tool]}`);
}

/**
 * Arguments of a command line that are a choice.
 * @param {string[]} args
 * @returns {Choice}
 */
function choiceFrom(args) {
    /** @type {Choice} */
    const choice = {};
    for (const [tool = "", version = ""] of args.map((arg) => arg.split("="))) {
        const problem = versionProblem(tool, version);
        if (problem !== undefined) {
            throw new UserError(`${tool}=${version}: the version ${problem}`, remedyOf(tool));
        }
        choice[tool] = version;
    }
    return choiceOf(choice) ?? {};
}

/**
 * Why a version that was chosen cannot be had, and what to do.
 * @param {string} tool
 * @param {string} version
 * @param {string} why
 * @param {{ unknown?: boolean }} [more] `unknown`: the vendor has no such version
 */
function refusalOf(tool, version, why, { unknown = false } = {}) {
    return unknown
        ? new UserError(`gatehouse:versions.${tool}: unknown version ${version} (${why})`, remedyOf(tool))
        : new UserError(
              `gatehouse:versions.${tool}: ${tool} ${version} cannot be had: ${why}`,
              `only the vendor has other versions than ${versions.tools[tool]?.version}: give this computer access to ` +
                  `releases.hashicorp.com (behind a proxy set HTTPS_PROXY), put ${tool} ${version} on PATH, or remove the setting`,
          );
}

/** @param {string} tool */
function remedyOf(tool) {
    return `https://releases.hashicorp.com/${tool}/ lists the versions that exist; choose one of them, or remove the setting`;
}

module.exports = { floors, versionProblem, choiceOf, choiceArguments, choiceFrom, refusalOf };
