// @ts-check
"use strict";

const { UserError } = require("../errors");
const { linodeObjects, removeLinodeObjects } = require("./objects");

/**
 * @typedef {import("./objects").LinodeObject} LinodeObject
 * @typedef {import("./objects").LinodeKind} LinodeKind
 * @typedef {import("../recover").PendingOperation} PendingOperation
 * @typedef {{ id: number, label?: string, port?: number, name?: string, type?: string, target?: string }} Part
 */

/** What has a name of its own in the account. @type {Record<string, LinodeKind>} */
const named = {
    "linode:index/instance:Instance": "instance",
    "linode:index/firewall:Firewall": "firewall",
    "linode:index/nodeBalancer:NodeBalancer": "NodeBalancer",
    "linode:index/placementGroup:PlacementGroup": "placement group",
    "linode:index/vpc:Vpc": "VPC",
};

/**
 * What is part of something else: where it is listed, and which one of the list it is.
 * @type {Record<string, (inputs: any) => { path: string, is: (part: Part) => boolean }>}
 */
const parts = {
    "linode:index/vpcSubnet:VpcSubnet": ({ vpcId, label }) => ({
        path: `vpcs/${vpcId}/subnets`,
        is: (part) => part.label === label,
    }),
    "linode:index/nodeBalancerConfig:NodeBalancerConfig": ({ nodebalancerId, port }) => ({
        path: `nodebalancers/${nodebalancerId}/configs`,
        is: (part) => part.port === port,
    }),
    "linode:index/nodeBalancerNode:NodeBalancerNode": ({ nodebalancerId, configId, label }) => ({
        path: `nodebalancers/${nodebalancerId}/configs/${configId}/nodes`,
        is: (part) => part.label === label,
    }),
    "linode:index/domainRecord:DomainRecord": ({ domainId, name, recordType, target }) => ({
        path: `domains/${domainId}/records`,
        is: (part) => part.name === name && part.type === recordType && part.target === target,
    }),
};

/**
 * Removes what was being made at Linode when a run was killed: it may exist although the state does not know it, its
 * name is needed again, and it costs money.
 * @param {import("../pulumi").Pulumi} pulumi
 * @param {PendingOperation[]} pending
 * @param {{ type: string, id?: string }[]} resources of the state
 * @param {(line: string) => void} say
 */
async function removeHalfMadeAtLinode(pulumi, pending, resources, say) {
    const making = pending.filter(
        ({ type, resource }) => type === "creating" && resource.type.startsWith("linode:"),
    );
    if (making.length === 0) {
        return;
    }
    // Later than the others: stack.js needs half of the toolchain.
    const api = await require("./stack").linodeApi(pulumi);
    const known = new Set(resources.map(({ type, id }) => `${type} ${id}`));
    const objects = await linodeObjects(api, pulumi.stack);
    const found = await Promise.all(
        making.map(async ({ resource: { type, inputs = {} } }) => {
            const kind = named[type];
            if (kind !== undefined) {
                return objects.filter(
                    (object) =>
                        object.kind === kind &&
                        object.label === inputs["label"] &&
                        !known.has(`${type} ${object.id}`),
                );
            }
            const place = parts[type]?.(inputs);
            return place === undefined ? [] : partsAt(api, place, (id) => known.has(`${type} ${id}`));
        }),
    );
    const orphans = found.flat();
    if (orphans.length > 0) {
        say(
            `removing the half-made ${orphans.map(({ kind, label }) => `${kind} ${label}`).join(", ")} at Linode`,
        );
        const failures = await removeLinodeObjects(api, orphans);
        if (failures.length > 0) {
            throw new UserError(
                `half-made things at Linode cannot be removed:\n    ${failures.join("\n    ")}`,
                "remove them at https://cloud.linode.com, then run the command again",
            );
        }
    }
}

/**
 * @param {import("./api").LinodeApi} api
 * @param {{ path: string, is: (part: Part) => boolean }} place
 * @param {(id: number) => boolean} isKnown
 * @returns {Promise<LinodeObject[]>}
 */
async function partsAt(api, { path, is }, isKnown) {
    if ((await api.find(path)) === undefined) {
        return []; // It is gone with what it was part of.
    }
    const all = /** @type {Part[]} */ (await api.list(path));
    return all
        .filter((part) => is(part) && !isKnown(part.id))
        .map(({ id, label, name, port }) => ({
            kind: "part",
            id,
            label: `${path}: ${label ?? name ?? port}`,
            path: `${path}/${id}`,
        }));
}

module.exports = { removeHalfMadeAtLinode, named, partsAt };
