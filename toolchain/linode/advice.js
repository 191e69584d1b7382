// @ts-check
"use strict";

/**
 * What to do about a reason that the API gives when something is made.
 * @typedef {{ reason: RegExp, setting: string, remedy: (variable: string) => string }} Advice
 */

/**
 * The API's own words, where they are publicly known, with the setting behind them. A preview finds most of this out
 * beforehand; what an account has left, and what was sold in between, only the attempt shows.
 * @type {Advice[]}
 */
const table = [
    {
        reason: /Account Limit reached/i,
        setting: "gatehouse:servers.count, gatehouse:clients.count",
        remedy: () =>
            "the account may have no more of these: remove what is no longer needed at https://cloud.linode.com, set " +
            "smaller numbers, or open a support ticket for a higher limit",
    },
    {
        reason: /not (currently )?available in the selected region|out of capacity|sold out/i,
        setting: "gatehouse:linode.type, gatehouse:linode.region",
        remedy: () =>
            "the plan is sold out there: choose another type (pulumi config set --path gatehouse:linode.type " +
            "g6-standard-2), or, for a stack that is not up yet, another region",
    },
    {
        reason: /must be unique among your/i,
        setting: "STACK",
        remedy: (variable) =>
            "something of that name exists already: if it is what an earlier run has left of this stack, " +
            `"make down${variable} FORCE=1" removes everything with the stack's tag; otherwise rename it, or use another ` +
            "STACK, whose name is part of all names",
    },
    {
        reason: /invalid token|not authorized to use this endpoint|invalid oauth token/i,
        setting: "linode:token",
        remedy: () =>
            "the token has expired, was revoked, or may not do this: make one at https://cloud.linode.com/profile/tokens " +
            "(scopes: README.md), then: pulumi config set --secret linode:token, or export LINODE_TOKEN",
    },
    {
        reason: /outstanding balance|past due|payment|billing|account (is|must be) .*(activ|verif)/i,
        setting: "the account",
        remedy: () => "see what it lacks at https://cloud.linode.com/account/billing",
    },
    {
        reason: /placement group/i,
        setting: "gatehouse:linode.placementGroup",
        remedy: () =>
            "the region cannot keep the servers apart now: set it to false, or choose another region or type",
    },
    {
        reason: /\bVPCs in this region already|maximum number of VPCs/i,
        setting: "gatehouse:linode.region",
        remedy: () =>
            "remove a VPC that is no longer needed at https://cloud.linode.com/vpcs, or choose another region",
    },
    {
        reason: /\bregion\b.*(is not valid|not found)/i,
        setting: "gatehouse:linode.region",
        remedy: () => "choose one of https://api.linode.com/v4/regions",
    },
    {
        reason: /\b(type|plan type by that id)\b.*(is not valid|not found)/i,
        setting: "gatehouse:linode.type",
        remedy: () => "choose one of https://api.linode.com/v4/linode/types",
    },
    {
        reason: /\bimage\b.*(is not valid|not found|not available)/i,
        setting: "gatehouse:linode.image",
        remedy: () => "choose linode/debian12, or another Debian 12 image with cloud-init",
    },
    {
        reason: /too many requests|linode busy|maintenance mode|temporarily unavailable/i,
        setting: "the API",
        remedy: (variable) =>
            `it puts requests off: "make up${variable}" again in a few minutes goes on from here (https://status.linode.com)`,
    },
];

/**
 * What the user can do about the errors of an operation: for each known reason one line, once.
 * @param {string[]} errors the diagnostics of the engine
 * @param {string} stack
 * @returns {string[]}
 */
function linodeAdvice(errors, stack) {
    const variable = stack === "dev" ? "" : ` STACK=${stack}`;
    return table
        .filter(({ reason }) => errors.some((error) => isLinodes(error) && reason.test(error)))
        .map(({ setting, remedy }) => `${setting}: ${remedy(variable)}`);
}

/** Other providers have errors, too, about other tokens and images. @param {string} error */
function isLinodes(error) {
    return /linode/i.test(error);
}

module.exports = { linodeAdvice };
