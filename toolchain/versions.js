// @ts-check
"use strict";

const crypto = require("node:crypto");
const fs = require("node:fs");
const path = require("node:path");
const { UserError } = require("./errors");
const { hostArchitecture, root } = require("./paths");

/**
 * @typedef {object} Tool
 * @property {string} version
 * @property {"host" | "machines"} for where it runs: on this computer, or in Linux machines and images
 * @property {"exact" | "newer" | "beside pulumi"} accept which version on PATH will do
 * @property {import("./gobuild").GoSource} [go]
 * @property {import("./wheel").WheelSource} [wheel]
 * @property {boolean} [chosen] not the pinned version: the vendor alone has it
 *
 * @typedef {{ tools: string[], images: string[], plugins: string[] }} Needs
 * @typedef {{ linode?: Partial<Needs> }} Elsewhere what of its needs is another on a substrate other than Docker
 * @typedef {{ snapshots?: string[] }} Snapshots the tools for snapshots of what it runs
 * @typedef {{ subnet: string, ports: Record<string, number>, servers: { count?: number } }} Place where a lab is on
 * this computer by default, and how many servers it has
 */

/** @type {{ tools: Record<string, Tool>, plugins: Record<string, string>, node: string, debian: string }} */
const versions = JSON.parse(fs.readFileSync(path.join(__dirname, "versions.json"), "utf8"));

/** @type {Record<string, Needs & Partial<Place> & Elsewhere & Snapshots>} */
const labs = JSON.parse(fs.readFileSync(path.join(__dirname, "labs.json"), "utf8"));

/**
 * @param {string} name
 * @param {string} [version] another one than the pinned
 * @returns {Tool}
 */
function toolOf(name, version) {
    const tool = versions.tools[name];
    if (tool === undefined) {
        throw new UserError(
            `there is no tool named ${name}`,
            `the tools are ${Object.keys(versions.tools).join(", ")}`,
        );
    }
    if (version !== undefined && version !== tool.version) {
        // Module and wheel are pinned: they hold no other version.
        return { version, for: tool.for, accept: "exact", chosen: true };
    }
    return tool;
}

/** Entries of labs.json that are no labs. */
const notLabs = ["$comment", "test", "bench", "rehearsal"];

/** @param {string} name */
function isLab(name) {
    return Object.hasOwn(labs, name) && !notLabs.includes(name);
}

/**
 * What a lab (or `test`, `bench`, `rehearsal`) needs before Pulumi runs.
 * @param {string} lab
 * @param {string} [where] what names the lab, for the error
 * @param {string} [substrate] where the lab runs; of one that is unknown the program says so
 * @returns {Needs}
 */
function needsOf(lab, where = "gatehouse:lab", substrate = "docker") {
    const needs = labs[lab];
    if (needs === undefined || !Array.isArray(needs.tools)) {
        const known = Object.keys(labs).filter(isLab);
        throw new UserError(`${where}: there is no lab named ${lab}`, `choose one of ${known.join(", ")}`);
    }
    const { tools, images, plugins } = { ...needs, ...(substrate === "linode" ? needs.linode : {}) };
    return { tools, images, plugins };
}

/**
 * What `make snapshot` and `make restore` need for a lab; nothing for one that takes none.
 * @param {string} lab
 * @returns {Needs}
 */
function snapshotNeedsOf(lab) {
    return { tools: labs[lab]?.snapshots ?? [], images: [], plugins: [] };
}

/** @param {string} lab @returns {Place} */
function placeOf(lab) {
    const { subnet = "", ports = {}, servers = {} } = labs[lab] ?? {};
    return { subnet, ports, servers };
}

/** @param {Tool} tool @returns {import("./vendor").Platform} */
function platformOf(tool) {
    const os = tool.for === "machines" || process.platform !== "darwin" ? "linux" : "darwin";
    return { os, arch: hostArchitecture() };
}

/**
 * A short hash over everything that decides what the tool's file holds: the name of its folder in the cache.
 * @param {string} name
 * @param {string} [version] another one than the pinned
 */
function keyOf(name, version) {
    const tool = toolOf(name, version);
    const source = { ...(tool.go ?? tool.wheel), minutes: undefined };
    const hash = crypto.createHash("sha256").update(JSON.stringify([tool.version, source, platformOf(tool)]));
    if (tool.go !== undefined) {
        for (const file of ["go.mod", "go.sum"]) {
            hash.update(fs.readFileSync(path.join(__dirname, "modules", tool.go.module, file)));
        }
    }
    return `${tool.version}-${hash.digest("hex").slice(0, 8)}`;
}

/** The versions of the Pulumi packages that package.json asks for; plugins carry the same. */
function packageVersions() {
    const { dependencies } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"));
    /** @type {Record<string, string>} */
    const found = {};
    for (const [name, wanted] of Object.entries(dependencies)) {
        if (name.startsWith("@pulumi/")) {
            found[name.slice("@pulumi/".length)] = wanted.startsWith("file:")
                ? JSON.parse(fs.readFileSync(path.join(root, wanted.slice(5), "package.json"), "utf8"))
                      .version
                : wanted;
        }
    }
    return found;
}

module.exports = {
    versions,
    labs,
    toolOf,
    isLab,
    needsOf,
    snapshotNeedsOf,
    placeOf,
    platformOf,
    keyOf,
    packageVersions,
};
