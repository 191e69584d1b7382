// @ts-check
"use strict";

/**
 * A port on 127.0.0.1 that a stack is going to publish.
 * @typedef {object} WantedPort
 * @property {string} name the setting below `gatehouse:ports`
 * @property {number} port
 * @property {string} [use] what for, where the setting does not say it
 */

/** Where the machines' host numbers begin; components/machines/addresses.ts says the same, and a test compares them. */
const firstOffset = { server: 10, client: 20, web: 100, etcd: 120, balancer: 150 };

/**
 * The ports that a stack with these settings publishes. Settings that are none are left out: the program refuses them.
 * So are the SSH ports of pools and groups of other names than the default: Docker says when one of those is taken.
 * @param {Record<string, any>} settings
 * @returns {WantedPort[]}
 */
function wantedPorts(settings) {
    const { ssh, ...ports } = settings["ports"] ?? {};
    const named = Object.entries(ports)
        .filter(([name]) => name !== "webappTls" || settings["https"]?.enabled === true)
        .map(([name, port]) => ({ name, port }));
    const sshPorts = machinesOf(settings).map(({ machine, offset }) => ({
        name: "ssh",
        port: ssh + offset,
        use: `ssh + ${offset}, for ${machine}`,
    }));
    return [...named, ...sshPorts].filter(({ port }) => Number.isInteger(port) && port > 0 && port < 65536);
}

/** @param {Record<string, any>} settings */
function machinesOf({ lab, servers, clients, pools, members, machines }) {
    if (lab === "etcd") {
        return [
            ...numbered("etcd", members?.count),
            ...numbered("web", machines?.web?.count),
            ...numbered("balancer", 1),
        ];
    }
    const workers = lab === "routed" ? pools?.default : clients;
    return [...numbered("server", servers?.count), ...numbered("client", workers?.count)];
}

/** @param {keyof typeof firstOffset} group @param {unknown} count */
function numbered(group, count) {
    const length = Number.isInteger(count) ? Math.min(Math.max(Number(count), 0), 20) : 0;
    return Array.from({ length }, (_, index) => ({
        machine: `${group}-${index + 1}`,
        offset: firstOffset[group] + index + 1,
    }));
}

module.exports = { wantedPorts };
