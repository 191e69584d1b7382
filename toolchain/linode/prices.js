// @ts-check
"use strict";

/**
 * A price in US dollars, as the API's lists have it; null where the region has none of its own.
 * @typedef {{ monthly: number | null, hourly: number | null }} ListPrice
 * @typedef {{ monthly: number, hourly: number }} Price
 * @typedef {{ price: ListPrice, region_prices?: (ListPrice & { id: string })[] }} Priced
 * @typedef {Priced & { id: string, label: string, addons?: { backups?: Priced } }} PricedType
 * @typedef {{ types: PricedType[], nodeBalancerTypes: (Priced & { id: string, label: string })[] }} PriceLists
 *
 * What costs something: instances by their type, and balancers.
 * @typedef {object} Billed
 * @property {string} region
 * @property {{ type: string }[]} instances
 * @property {number} nodeBalancers
 * @property {boolean} backups of every instance
 *
 * One line of the table.
 * @typedef {{ kind: string, count: number, monthly: number, hourly: number }} CostItem
 *
 * A stack's price. Free of charge are VPC, firewalls, placement group and DNS records.
 * @typedef {object} Cost
 * @property {"USD"} currency
 * @property {string} region
 * @property {CostItem[]} items each with the prices of all of its kind
 * @property {number} monthly the most that a month costs
 * @property {number} hourly
 */

/**
 * The list price in a region: some cost more than the others. An unknown one is 0.
 * @param {Priced | undefined} priced
 * @param {string} region
 * @returns {Price}
 */
function priceIn(priced, region) {
    const own = priced?.region_prices?.find(({ id }) => id === region);
    return {
        monthly: own?.monthly ?? priced?.price.monthly ?? 0,
        hourly: own?.hourly ?? priced?.price.hourly ?? 0,
    };
}

/**
 * What a plan costs at list prices.
 * @param {Billed} plan
 * @param {PriceLists} lists
 * @returns {Cost}
 */
function costOf({ region, instances, nodeBalancers, backups }, { types, nodeBalancerTypes }) {
    const counts = new Map();
    for (const { type } of instances) {
        counts.set(type, (counts.get(type) ?? 0) + 1);
    }
    const ofType = (/** @type {string} */ id) => types.find((type) => type.id === id);
    const label = (/** @type {string} */ id) => (ofType(id) ? `${ofType(id)?.label} (${id})` : id);
    /** @type {CostItem[]} */
    const items = [];
    const add = (
        /** @type {string} */ kind,
        /** @type {number} */ count,
        /** @type {Priced | undefined} */ priced,
    ) => {
        const { monthly, hourly } = priceIn(priced, region);
        items.push({ kind, count, monthly: rounded(monthly * count), hourly: rounded(hourly * count) });
    };
    for (const [type, count] of counts) {
        add(label(type), count, ofType(type));
    }
    for (const [type, count] of backups ? counts : []) {
        add(`backups of ${label(type)}`, count, ofType(type)?.addons?.backups);
    }
    if (nodeBalancers > 0) {
        add(
            "NodeBalancer",
            nodeBalancers,
            nodeBalancerTypes.find(({ id }) => id === "nodebalancer"),
        );
    }
    const sum = (/** @type {"monthly" | "hourly"} */ key) =>
        rounded(items.reduce((total, item) => total + item[key], 0));
    return { currency: "USD", region, items, monthly: sum("monthly"), hourly: sum("hourly") };
}

/**
 * The price as a table for people.
 * @param {Cost} cost
 * @returns {string}
 */
function costTable({ region, items, monthly, hourly }) {
    const count = items.reduce((total, item) => total + item.count, 0);
    const rows = [
        ["", "number", "a month", "an hour"],
        ...[...items, { kind: "sum", count, monthly, hourly }].map((item) => [
            item.kind,
            String(item.count),
            `$${item.monthly.toFixed(2)}`,
            `$${item.hourly.toFixed(4)}`,
        ]),
    ];
    const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
    const lines = rows.map((row) =>
        row
            .map((cell, column) =>
                column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
            )
            .join("  "),
    );
    return [
        `Linode's list prices in ${region}, without traffic beyond what is included, and without taxes:`,
        ...lines.map((line) => `  ${line}`),
        "  Each begun hour is billed, up to the monthly price. VPC, firewalls, placement group and DNS cost nothing.",
    ].join("\n");
}

/** Hours that the vendor bills a month of at most: what is kept all month costs the monthly price. */
const hoursOfAMonth = (24 * 365) / 12;

/**
 * What something has cost at list prices: each begun hour, and never more than the monthly price for a month.
 * @param {Price} price
 * @param {number} hours since it was made
 * @returns {number} dollars
 */
function charge({ monthly, hourly }, hours) {
    const begun = Math.max(1, Math.ceil(hours));
    const months = Math.floor(begun / hoursOfAMonth);
    return months * monthly + Math.min((begun - months * hoursOfAMonth) * hourly, monthly);
}

/** Without the noise of binary fractions. @param {number} dollars */
function rounded(dollars) {
    return Number(dollars.toFixed(6));
}

module.exports = { priceIn, costOf, costTable, charge };
