// @ts-check
"use strict";

const { charge, priceIn } = require("./prices");
const { summary } = require("./objects");

/** @typedef {import("./objects").LinodeObject} LinodeObject */

/**
 * What a stack's things have cost since they were made, at list prices.
 * @param {LinodeObject[]} objects
 * @param {import("./prices").PriceLists} lists
 * @param {Date} until
 * @returns {{ dollars: number, hours: number }} `hours`: of the oldest
 */
function costSoFar(objects, { types, nodeBalancerTypes }, until) {
    let dollars = 0;
    let oldest = 0;
    for (const { kind, created, region = "", type, backups } of objects) {
        const hours = created === undefined ? 0 : (until.getTime() - Date.parse(`${created}Z`)) / 3_600_000;
        oldest = Math.max(oldest, hours);
        if (kind === "instance") {
            const list = types.find(({ id }) => id === type);
            dollars += charge(priceIn(list, region), hours);
            dollars += backups === true ? charge(priceIn(list?.addons?.backups, region), hours) : 0;
        } else if (kind === "NodeBalancer") {
            const list = nodeBalancerTypes.find(({ id }) => id === "nodebalancer");
            dollars += charge(priceIn(list, region), hours);
        }
    }
    return { dollars, hours: oldest };
}

/** @param {number} hours */
function age(hours) {
    return hours < 1 ? `${Math.max(1, Math.ceil(hours * 60))} min` : `${hours.toFixed(1)} h`;
}

/**
 * The last lines of a tear-down. tests/unit/toolchain/linode-down.test.ts and the rehearsal read them.
 * @param {object} seen
 * @param {LinodeObject[]} seen.before
 * @param {LinodeObject[]} seen.after
 * @param {import("./prices").PriceLists | undefined} seen.lists
 * @param {Date} seen.until
 * @returns {string[]}
 */
function receipt({ before, after, lists, until }) {
    const deleted = before.filter(({ path }) => !after.some((left) => left.path === path));
    const lines = [
        `Linode: deleted: ${deleted.length === 0 ? "nothing" : summary(deleted)}`,
        after.length === 0
            ? "Linode: left: nothing"
            : `Linode: left: ${after.map(({ kind, label }) => `${kind} ${label}`).join(", ")}`,
    ];
    if (lists !== undefined && deleted.length > 0) {
        const { dollars, hours } = costSoFar(deleted, lists, until);
        lines.push(
            `Linode: cost: about $${dollars.toFixed(2)} at list prices, the oldest for ${age(hours)}; without ` +
                "traffic, taxes, and what was replaced before",
        );
    }
    return lines;
}

module.exports = { costSoFar, receipt };
