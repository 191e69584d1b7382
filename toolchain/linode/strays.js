// @ts-check
"use strict";

const { resourcesIn } = require("../backend");
const { UserError } = require("../errors");
const { named, partsAt } = require("./halfmade");
const { labelOf } = require("./names");
const { linodeObjects, removeLinodeObjects } = require("./objects");
const { linodeApi } = require("./stack");
const { project } = require("../stackfile");

/**
 * @typedef {import("./objects").LinodeObject} LinodeObject
 * @typedef {{ type: string, id?: string }} Resource
 */

/**
 * Removes what Linode has of a stack and its state does not know. An API that goes away while it makes a thing may have
 * made it all the same: its name is needed again, it holds on to the network, and it costs money.
 * @param {import("../pulumi").Pulumi} pulumi
 * @param {(line: string) => void} say
 */
async function removeStraysAtLinode(pulumi, say) {
    const resources = await resourcesOf(pulumi);
    if (!resources.some(({ type }) => type in named)) {
        return;
    }
    let api, strays;
    try {
        api = await linodeApi(pulumi);
        strays = await straysOf(api, pulumi.stack, resources);
    } catch {
        return; // What is wrong with token and network is told by what comes next.
    }
    if (strays.length === 0) {
        return;
    }
    say(
        `removing ${strays.map(({ kind, label }) => `${kind} ${label}`).join(", ")} from Linode: an earlier run has made it, and the state does not know`,
    );
    const failures = await removeLinodeObjects(api, strays);
    if (failures.length > 0) {
        throw new UserError(
            `these cannot be removed from Linode:\n    ${failures.join("\n    ")}`,
            "remove them at https://cloud.linode.com, then run the command again",
        );
    }
}

/**
 * What has the stack's tag and a name as the program gives it, but is not in the state; and what is part of something
 * that is. Nothing where the stack's VPC is not the one that the state knows: names are unique in an account, so these
 * are the things of another checkout, or of another account.
 * @param {import("./api").LinodeApi} api
 * @param {string} stack
 * @param {Resource[]} resources
 * @returns {Promise<LinodeObject[]>}
 */
async function straysOf(api, stack, resources) {
    const ids = new Set(resources.map(({ type, id }) => `${type} ${id}`));
    const isKnown = (/** @type {string} */ type, /** @type {number} */ id) => ids.has(`${type} ${id}`);
    const typeOf = Object.fromEntries(Object.entries(named).map(([type, kind]) => [kind, type]));
    const objects = await linodeObjects(api, stack);
    const known = objects.filter(({ kind, id }) => isKnown(typeOf[kind] ?? "", id));
    if (!known.some(({ kind }) => kind === "VPC")) {
        return [];
    }
    // A name that is too long ends with a hash, and so does this: none begins like that.
    const begin = labelOf(project, stack, "instance", "x").slice(0, -1);
    const unknown = objects.filter((object) => !known.includes(object) && object.label.startsWith(begin));
    const parts = await Promise.all(
        known.flatMap(({ kind, path }) => {
            switch (kind) {
                case "VPC":
                    return [strayParts(api, `${path}/subnets`, "linode:index/vpcSubnet:VpcSubnet", isKnown)];
                case "NodeBalancer":
                    return [
                        strayParts(
                            api,
                            `${path}/configs`,
                            "linode:index/nodeBalancerConfig:NodeBalancerConfig",
                            isKnown,
                        ),
                    ];
                default:
                    return [];
            }
        }),
    );
    return [...unknown, ...parts.flat()];
}

/**
 * @param {import("./api").LinodeApi} api
 * @param {string} path
 * @param {string} type
 * @param {(type: string, id: number) => boolean} isKnown
 */
function strayParts(api, path, type, isKnown) {
    return partsAt(api, { path, is: () => true }, (id) => isKnown(type, id));
}

/**
 * @param {import("../pulumi").Pulumi} pulumi
 * @returns {Promise<Resource[]>}
 */
async function resourcesOf(pulumi) {
    if (pulumi.backend.ours) {
        return resourcesIn(pulumi.stack);
    }
    const { stdout } = await pulumi.capture(
        ["stack", "export", "--stack", pulumi.stack],
        "the state cannot be read",
    );
    return JSON.parse(stdout).deployment?.resources ?? [];
}

module.exports = { removeStraysAtLinode, straysOf };
