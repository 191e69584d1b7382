// @ts-check
"use strict";

const { setTimeout: sleep } = require("node:timers/promises");
const { UserError, messageOf } = require("../errors");
const { hostLabel, labelOf, tagsOf } = require("./names");
const { project } = require("../stackfile");

/**
 * Something that a stack has at Linode.
 * @typedef {object} LinodeObject
 * @property {LinodeKind} kind
 * @property {number} id
 * @property {string} label
 * @property {string} path in the API
 * @property {string} [created] without a time zone, in UTC
 * @property {string} [region]
 * @property {string} [type] of an instance
 * @property {boolean} [backups]
 * @property {string[]} [addresses] IPv4
 *
 * @typedef {"instance" | "NodeBalancer" | "firewall" | "placement group" | "VPC" | "DNS record" | "part"} LinodeKind
 *     a `part` belongs to one of the others and goes with it
 *
 * The parts of the API's answers that are read.
 * @typedef {object} Listed
 * @property {number} id
 * @property {string} label
 * @property {string[]} [tags]
 * @property {string} [created]
 * @property {string} [region]
 * @property {string} [type]
 * @property {{ enabled: boolean }} [backups]
 * @property {string[] | string | object[]} [ipv4] of a VPC something else than addresses
 */

/**
 * The tag that everything of a stack has which can have one.
 * @param {string} stack
 */
function tagOf(stack) {
    return tagsOf(project, stack)[1];
}

/**
 * The whole labels of what cannot have a tag: `gatehouse-prod-` is also how the labels of a stack `prod-2` begin.
 * components/machines/linode/substrate.ts gives them.
 * @param {LinodeKind} kind
 * @param {string} stack
 * @returns {string[] | undefined}
 */
function labelsOf(kind, stack) {
    switch (kind) {
        case "placement group":
            return [labelOf(project, stack, "placementGroup", "servers")];
        case "VPC":
            return [labelOf(project, stack, "vpc", "vpc")];
        default:
            return undefined;
    }
}

/** Where each kind is listed, in the order in which they can be removed. @type {[LinodeKind, string][]} */
const lists = [
    ["NodeBalancer", "nodebalancers"],
    ["instance", "linode/instances"],
    ["firewall", "networking/firewalls"],
    ["placement group", "placement/groups"],
    ["VPC", "vpcs"],
];

/**
 * Everything at Linode that is a stack's: by its tag, or by its exact name where the API knows no tags. A DNS record is
 * the stack's when it lies below its name and points to it.
 * @param {import("./api").LinodeApi} api
 * @param {string} stack
 * @param {{ domain?: string, addresses?: string[] }} [dns] `addresses` that were the stack's before
 * @returns {Promise<LinodeObject[]>}
 */
async function linodeObjects(api, stack, { domain, addresses = [] } = {}) {
    const found = await Promise.all(lists.map(([kind, path]) => listKind(api, stack, kind, path)));
    const objects = found.flat();
    if (domain === undefined) {
        return objects;
    }
    const targets = new Set([...addresses, ...objects.flatMap((object) => object.addresses ?? [])]);
    return [...(await recordsOf(api, stack, domain, targets)), ...objects];
}

/**
 * @param {import("./api").LinodeApi} api
 * @param {string} stack
 * @param {LinodeKind} kind
 * @param {string} path
 * @returns {Promise<LinodeObject[]>}
 */
async function listKind(api, stack, kind, path) {
    const tag = tagOf(stack);
    // Accounts may have many instances; of the other kinds not all can be filtered by their tags.
    const filter = kind === "instance" || kind === "NodeBalancer" ? { tags: tag } : undefined;
    const labels = labelsOf(kind, stack);
    const all = /** @type {Listed[]} */ (await api.list(path, filter));
    return all
        .filter(({ label, tags }) => (labels === undefined ? tags?.includes(tag) : labels.includes(label)))
        .map(({ id, label, created, region, type, backups, ipv4 = [] }) => ({
            kind,
            id,
            label,
            path: `${path}/${id}`,
            created,
            region,
            type,
            backups: backups?.enabled,
            addresses: [ipv4].flat().filter((address) => typeof address === "string"),
        }));
}

/**
 * @param {import("./api").LinodeApi} api
 * @param {string} stack
 * @param {string} name of the domain
 * @param {Set<string>} targets
 * @returns {Promise<LinodeObject[]>}
 */
async function recordsOf(api, stack, name, targets) {
    const [domain] = /** @type {{ id: number }[]} */ (await api.list("domains", { domain: name }));
    if (domain === undefined) {
        return [];
    }
    const path = `domains/${domain.id}/records`;
    const records = /** @type {{ id: number, name: string, type: string, target: string }[]} */ (
        await api.list(path)
    );
    return records
        .filter((record) => record.name === hostLabel(stack) || record.name.endsWith(`.${hostLabel(stack)}`))
        .filter(({ target }) => targets.has(target))
        .map((record) => ({
            kind: "DNS record",
            id: record.id,
            label: `${record.type} ${record.name}.${name}`,
            path: `${path}/${record.id}`,
        }));
}

/** Seconds that instances may take to be gone, and between two looks. */
const patience = { instances: 300, look: 3 };

/**
 * Removes a stack's things in an order in which the API lets them go.
 * @param {import("./api").LinodeApi} api
 * @param {LinodeObject[]} objects as {@link linodeObjects} lists them
 * @param {{ look?: number }} [options] seconds between two looks whether instances are gone
 * @returns {Promise<string[]>} what could not be removed, and why
 */
async function removeLinodeObjects(api, objects, { look = patience.look } = {}) {
    /** @type {string[]} */
    const failures = [];
    /** @type {LinodeKind[]} */
    const order = ["part", "DNS record", ...lists.map(([kind]) => kind)];
    for (const kind of order) {
        const some = objects.filter((object) => object.kind === kind);
        await Promise.all(
            some.map(async (object) => {
                try {
                    await api.remove(object.path);
                    if (kind === "instance") {
                        await untilGone(api, object, look);
                    }
                } catch (error) {
                    failures.push(`${kind} ${object.label}: ${messageOf(error)}`);
                }
            }),
        );
    }
    return failures;
}

/**
 * An instance keeps its places in VPC, firewall and placement group until it is really gone.
 * @param {import("./api").LinodeApi} api
 * @param {LinodeObject} instance
 * @param {number} look
 */
async function untilGone(api, instance, look) {
    for (const began = Date.now(); (await api.find(instance.path)) !== undefined; await sleep(look * 1000)) {
        if (Date.now() - began > patience.instances * 1000) {
            throw new UserError(`it is still there after ${patience.instances} s`);
        }
    }
}

/**
 * Things in a sentence: `2 firewalls, the VPC gatehouse-prod-vpc`.
 * @param {LinodeObject[]} objects
 */
function summary(objects) {
    /** @type {Map<string, number>} */
    const counts = new Map();
    for (const { kind } of objects) {
        counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
    return [...counts].map(([kind, count]) => `${count} ${kind}${count === 1 ? "" : "s"}`).join(", ");
}

module.exports = { linodeObjects, removeLinodeObjects, summary, tagOf };
