// @ts-check
"use strict";

const { run } = require("./run");
const { project } = require("./stackfile");

/**
 * @typedef {import("./objects").Kind} Kind
 * @typedef {{ kind: Kind, name: string }} WantedObject
 * @typedef {WantedObject & { stack: string }} ExistingObject `stack`: `<project>/<stack>`, or `/` without our labels
 */

/** More machines than any lab can have; the program refuses the number. */
const mostMachines = 100;

/**
 * The Docker objects that a stack with these settings makes, by their names: those whose names follow from the settings
 * (a machine's own volume has a hash in it). tests/program compares them with what the program registers.
 * @param {string} stack
 * @param {Record<string, any>} settings
 * @returns {WantedObject[]}
 */
function wantedObjects(stack, settings) {
    const { containers, volumes } = partsOf(settings);
    const all = (/** @type {Kind} */ kind, /** @type {string[]} */ names) =>
        names.map((name) => ({ kind, name: `${project}-${stack}-${name}` }));
    return [...all("network", ["network"]), ...all("volume", volumes), ...all("container", containers)];
}

/**
 * @param {Record<string, any>} settings
 * @returns {{ containers: string[], volumes: string[] }}
 */
function partsOf(settings) {
    switch (settings["lab"]) {
        case "sticky": {
            const own = Object.entries(settings["backends"] ?? {}).filter(([, backend]) => !backend?.url);
            return { containers: ["balancer", ...own.map(([name]) => name)], volumes: ["balancer-state"] };
        }
        case "template":
            return {
                containers: [
                    ...["consul", "monitor", "haproxy", "haproxy-templater"],
                    ...Object.keys(settings["instances"] ?? {}),
                ],
                volumes: ["consul-data", "haproxy-state", "haproxy-discovery"],
            };
        default:
            return { containers: ["registry", ...machinesOf(settings)], volumes: ["registry"] };
    }
}

/** @param {Record<string, any>} settings */
function machinesOf({ lab, servers, clients, pools, members, machines }) {
    if (lab === "etcd") {
        const groups = Object.entries(machines ?? {}).map(([name, group]) => ({ name, count: group?.count }));
        return numbered([{ name: "etcd", count: members?.count }, ...groups, { name: "balancer", count: 1 }]);
    }
    const groups = Object.entries(lab === "routed" ? (pools ?? {}) : { default: clients }).map(
        ([pool, machines]) => ({
            name: pool === "default" ? "client" : pool,
            count: machines?.count,
        }),
    );
    return numbered([{ name: "server", count: servers?.count }, ...groups]);
}

/** @param {{ name: string, count: unknown }[]} groups */
function numbered(groups) {
    return groups.flatMap(({ name, count }) =>
        Array.from(
            { length: Number.isInteger(count) ? Math.min(Math.max(Number(count), 0), mostMachines) : 0 },
            (_, index) => `${name}-${index + 1}`,
        ),
    );
}

/**
 * What has the names of a stack's objects without being the stack's.
 * @param {string} stack
 * @param {WantedObject[]} wanted
 * @param {ExistingObject[]} existing
 * @returns {import("./preflight").Finding[]}
 */
function nameFindings(stack, wanted, existing) {
    return wanted.flatMap(({ kind, name }) => {
        const other = existing.find(
            (each) => each.kind === kind && each.name === name && each.stack !== `${project}/${stack}`,
        );
        if (other === undefined) {
            return [];
        }
        const [labelled, owner] = other.stack.split("/");
        const whose =
            labelled === project && owner
                ? `it is the stack ${owner}'s`
                : "nothing of Gatehouse's has made it";
        return [
            {
                level: /** @type {const} */ ("blocking"),
                what: `STACK=${stack}: there is a ${kind} named ${name} already, and ${whose}`,
                remedy: `${remedies[kind](name)}, or use another STACK: its name is part of all names`,
            },
        ];
    });
}

/** @type {Record<Kind, (name: string) => string>} */
const remedies = {
    container: (name) => `docker rename ${name} <another name>, or remove it (docker rm -f ${name})`,
    network: (name) => `remove it (docker network rm ${name})`,
    volume: (name) => `remove it if nobody needs what is in it (docker volume rm ${name})`,
};

/** @returns {Promise<ExistingObject[]>} */
async function existingObjects() {
    const labels = '{{.Label "dev.gatehouse.project"}}/{{.Label "dev.gatehouse.stack"}}';
    const lists = await Promise.all([
        listed("container", ["ps", "--all", "--format", `{{.Names}}\t${labels}`]),
        listed("network", ["network", "ls", "--format", `{{.Name}}\t${labels}`]),
        listed("volume", ["volume", "ls", "--format", `{{.Name}}\t${labels}`]),
    ]);
    return lists.flat();
}

/** @param {Kind} kind @param {string[]} args @returns {Promise<ExistingObject[]>} */
async function listed(kind, args) {
    const { stdout } = await run("docker", args);
    return stdout
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => {
            const [name = "", stack = "/"] = line.split("\t");
            return { kind, name, stack };
        });
}

module.exports = { wantedObjects, nameFindings, existingObjects };
