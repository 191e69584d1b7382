// @ts-check
"use strict";

const fs = require("node:fs");
const net = require("node:net");
const os = require("node:os");
const { setTimeout: sleep } = require("node:timers/promises");
const { existingObjects, nameFindings, wantedObjects } = require("./names");
const { wantedPorts } = require("./ports");
const { run } = require("./run");
const { project, settingsOf } = require("./stackfile");

/**
 * Something that stands in the way.
 * @typedef {object} Finding
 * @property {"ok" | "warning" | "blocking"} level
 * @property {string} what
 * @property {string} [remedy]
 */

/**
 * What would make `up` fail because something else on this computer has the stack's ports, addresses or names.
 * @param {string} stack
 * @returns {Promise<Finding[]>}
 */
async function preflight(stack) {
    const settings = settingsOf(stack);
    if ((settings["substrate"] ?? "docker") !== "docker") {
        return [];
    }
    const [clashes, networks, objects] = await Promise.all([
        settledPortFindings(stack, wantedPorts(settings)),
        dockerNetworks(),
        existingObjects(),
    ]);
    return [
        ...clashes,
        ...subnetFindings(stack, settings["network"]?.subnet, networks, hostRoutes()),
        ...nameFindings(stack, wantedObjects(stack, settings), objects),
    ];
}

/** @typedef {{ name: string, stack: string, ports: string }} Container */

/** @returns {Promise<Container[]>} */
async function runningContainers() {
    const format =
        '{{.Names}}\t{{.Label "dev.gatehouse.project"}}/{{.Label "dev.gatehouse.stack"}}\t{{.Ports}}';
    const { stdout } = await run("docker", ["ps", "--format", format]);
    return stdout
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => {
            const [name = "", stack = "", ports = ""] = line.split("\t");
            return { name, stack, ports };
        });
}

/**
 * A container that Docker is just starting or stopping, after a run that was killed, has its ports but is not listed:
 * that is waited for.
 * @param {string} stack
 * @param {import("./ports").WantedPort[]} ports
 */
async function settledPortFindings(stack, ports) {
    for (let looks = 1; ; looks++) {
        const findings = await portFindings(stack, ports, await runningContainers());
        if (looks === 20 || !findings.some(({ what }) => what.includes("taken by docker-proxy"))) {
            return findings;
        }
        await sleep(250);
    }
}

/**
 * @param {string} stack
 * @param {import("./ports").WantedPort[]} ports
 * @param {Container[]} containers
 * @returns {Promise<Finding[]>}
 */
async function portFindings(stack, ports, containers) {
    const findings = await Promise.all(
        ports.map(async ({ name, port, use }) => {
            const holder = containers.find((container) => publishes(container, port));
            if (holder?.stack === `${project}/${stack}` || (await isFree(port))) {
                return [];
            }
            const who = holder === undefined ? processOn(port) : `the container ${holder.name}`;
            return [
                {
                    level: /** @type {const} */ ("blocking"),
                    what: `gatehouse:ports.${name}: port ${port}${use ? ` (${use})` : ""} is already taken by ${who}`,
                    remedy: `stop that, or choose another port: pulumi config set --path gatehouse:ports.${name} <port>, or edit Pulumi.${stack}.yaml`,
                },
            ];
        }),
    );
    return findings.flat();
}

/** Ports look like `127.0.0.1:8000->80/tcp, :::9000-9002->9000-9002/tcp`. @param {Container} container @param {number} port */
function publishes({ ports }, port) {
    return [...ports.matchAll(/:(\d+)(?:-(\d+))?->/g)].some(
        ([, first, last]) => port >= Number(first) && port <= Number(last ?? first),
    );
}

/** @param {number} port @returns {Promise<boolean>} */
function isFree(port) {
    return new Promise((resolve) => {
        const server = net.createServer();
        server.once("error", (error) =>
            resolve(/** @type {NodeJS.ErrnoException} */ (error).code === "EACCES"),
        );
        server.listen({ host: "127.0.0.1", port, exclusive: true }, () => server.close(() => resolve(true)));
    });
}

/**
 * Names the process that listens on a port; other users' processes can only be seen by root.
 * @param {number} port
 */
function processOn(port) {
    try {
        const inode = fs
            .readFileSync("/proc/net/tcp", "utf8")
            .split("\n")
            .map((line) => line.trim().split(/\s+/))
            .find((row) => row[3] === "0A" && parseInt(row[1]?.split(":")[1] ?? "", 16) === port)?.[9];
        for (const pid of fs
            .readdirSync("/proc")
            .filter((entry) => inode !== undefined && /^\d+$/.test(entry))) {
            if (sockets(pid).includes(`socket:[${inode}]`)) {
                return `${fs.readFileSync(`/proc/${pid}/comm`, "utf8").trim()} (process ${pid})`;
            }
        }
    } catch {
        // Not Linux.
    }
    return "another program";
}

/** @param {string} pid */
function sockets(pid) {
    try {
        return fs.readdirSync(`/proc/${pid}/fd`).map((fd) => {
            try {
                return fs.readlinkSync(`/proc/${pid}/fd/${fd}`);
            } catch {
                return "";
            }
        });
    } catch {
        return [];
    }
}

/** @typedef {{ name: string, stack: string, subnets: string[] }} Network */

/** @returns {Promise<Network[]>} */
async function dockerNetworks() {
    const ids = (await run("docker", ["network", "ls", "-q"])).stdout.split("\n").filter((id) => id !== "");
    if (ids.length === 0) {
        return [];
    }
    const { stdout } = await run("docker", ["network", "inspect", ...ids]);
    return JSON.parse(stdout || "[]").map((/** @type {any} */ { Name, Labels, IPAM }) => ({
        name: Name,
        stack: `${Labels?.["dev.gatehouse.project"] ?? ""}/${Labels?.["dev.gatehouse.stack"] ?? ""}`,
        subnets: (IPAM?.Config ?? []).map((/** @type {{ Subnet: string }} */ { Subnet }) => Subnet),
    }));
}

/**
 * @param {string} stack
 * @param {string | undefined} subnet
 * @param {Network[]} networks
 * @param {{ device: string, subnet: string }[]} routes
 * @returns {Finding[]}
 */
function subnetFindings(stack, subnet, networks, routes) {
    const wanted = parseSubnet(subnet ?? "");
    if (
        subnet === undefined ||
        wanted === undefined ||
        networks.some((network) => network.stack === `${project}/${stack}`)
    ) {
        return []; // A subnet that is none is the program's to refuse.
    }
    const remedy = `choose another subnet: pulumi config set --path gatehouse:network.subnet 10.214.0.0/24, or edit Pulumi.${stack}.yaml`;
    const taken = networks.flatMap(({ name, subnets }) => subnets.map((other) => ({ name, other })));
    const network = taken.find(({ other }) => overlap(wanted, parseSubnet(other)));
    if (network !== undefined) {
        const what = `gatehouse:network.subnet: ${subnet} overlaps ${network.other} of the Docker network ${network.name}`;
        return [{ level: "blocking", what, remedy: `remove that network, or ${remedy}` }];
    }
    const route = routes.find((other) => overlap(wanted, parseSubnet(other.subnet)));
    if (route !== undefined) {
        const what = `gatehouse:network.subnet: ${subnet} overlaps ${route.subnet}, which this computer reaches through ${route.device}`;
        // Part of a wide route (a VPN's 10.0.0.0/8) works; taking over a network that this computer is in does not.
        const wide = Number(route.subnet.split("/")[1]) < Number(subnet.split("/")[1]);
        return [{ level: wide ? "warning" : "blocking", what, remedy }];
    }
    return [];
}

/**
 * @param {string} text
 * @returns {{ first: number, last: number } | undefined}
 */
function parseSubnet(text) {
    const [, a, b, c, d, length] = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\/(\d+)$/.exec(text) ?? [];
    if (length === undefined) {
        return undefined;
    }
    const address = Number(a) * 2 ** 24 + Number(b) * 2 ** 16 + Number(c) * 2 ** 8 + Number(d);
    const size = 2 ** (32 - Number(length));
    const first = Math.floor(address / size) * size;
    return { first, last: first + size - 1 };
}

/**
 * @param {{ first: number, last: number }} a
 * @param {{ first: number, last: number } | undefined} b
 */
function overlap(a, b) {
    return b !== undefined && a.first <= b.last && b.first <= a.last;
}

/** The networks that this computer has routes to, without the default route and Docker's own bridges. */
function hostRoutes() {
    try {
        return parseRoutes(fs.readFileSync("/proc/net/route", "utf8"));
    } catch {
        return Object.entries(os.networkInterfaces()).flatMap(([device, addresses]) =>
            (addresses ?? [])
                .filter(({ family, cidr }) => family === "IPv4" && cidr !== null)
                .map(({ cidr }) => ({ device, subnet: cidr ?? "" })),
        );
    }
}

/**
 * @param {string} table /proc/net/route: addresses in hexadecimal, last byte first
 * @returns {{ device: string, subnet: string }[]}
 */
function parseRoutes(table) {
    return table
        .split("\n")
        .slice(1)
        .map((line) => line.split("\t"))
        .filter(
            ([device, destination]) => destination !== undefined && !/^(docker|br-|veth)/.test(device ?? ""),
        )
        .map(([device = "", destination = "", , , , , , mask = ""]) => {
            const address = destination
                .match(/../g)
                ?.reverse()
                .map((byte) => parseInt(byte, 16))
                .join(".");
            const length = [...parseInt(mask, 16).toString(2)].filter((bit) => bit === "1").length;
            return { device, subnet: `${address}/${length}` };
        })
        .filter(({ subnet }) => !subnet.endsWith("/0"));
}

module.exports = {
    preflight,
    portFindings,
    subnetFindings,
    publishes,
    parseRoutes,
    parseSubnet,
    isFree,
    processOn,
};
