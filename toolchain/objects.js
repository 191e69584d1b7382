// @ts-check
"use strict";

const { mustRun, run } = require("./run");
const { project } = require("./stackfile");

/**
 * @typedef {"container" | "network" | "volume"} Kind
 * @typedef {{ kind: Kind, id: string, name: string }} DockerObject
 */

/** @type {Record<Kind, { list: string[], id: string, name: string, remove: string[] }>} */
const kinds = {
    container: { list: ["ps", "-a", "--no-trunc"], id: "ID", name: "Names", remove: ["rm", "-f", "-v"] },
    network: { list: ["network", "ls", "--no-trunc"], id: "ID", name: "Name", remove: ["network", "rm"] },
    volume: { list: ["volume", "ls"], id: "Name", name: "Name", remove: ["volume", "rm", "-f"] },
};

/**
 * The Docker objects that carry a stack's labels, in the order in which they can be removed.
 * @param {string} stack
 * @returns {Promise<DockerObject[]>}
 */
async function objectsOf(stack) {
    const filters = [
        "--filter",
        `label=dev.gatehouse.project=${project}`,
        "--filter",
        `label=dev.gatehouse.stack=${stack}`,
    ];
    const lists = await Promise.all(
        /** @type {Kind[]} */ (Object.keys(kinds)).map(async (kind) => {
            const { list, id, name } = kinds[kind];
            const { stdout } = await mustRun(
                "docker",
                [...list, ...filters, "--format", `{{.${id}}} {{.${name}}}`],
                {
                    what: `the stack's ${kind}s cannot be listed`,
                },
            );
            return stdout
                .split("\n")
                .filter((line) => line !== "")
                .map((line) => ({ kind, id: line.split(" ")[0] ?? "", name: line.split(" ")[1] ?? "" }));
        }),
    );
    return lists.flat();
}

/**
 * Removes Docker objects; returns those that could not be removed.
 * @param {DockerObject[]} objects
 */
async function removeObjects(objects) {
    /** @type {string[]} */
    const left = [];
    for (const kind of /** @type {Kind[]} */ (Object.keys(kinds))) {
        const ids = objects.filter((object) => object.kind === kind).map((object) => object.id);
        const results = await Promise.all(ids.map((id) => run("docker", [...kinds[kind].remove, id])));
        left.push(...results.filter(({ code }) => code !== 0).map(({ stderr }) => stderr.trim()));
    }
    return left;
}

module.exports = { objectsOf, removeObjects };
