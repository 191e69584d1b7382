// @ts-check
"use strict";

const fs = require("node:fs");
const os = require("node:os");
const { askEngine, onDebian } = require("./docker");
const { Downloader } = require("./download");
const { messageOf } = require("./errors");
const { cacheDirectory, root } = require("./paths");
const { preflight } = require("./preflight");
const { run } = require("./run");
const { labOf, substrateOf, versionsOf } = require("./stackfile");
const { presentTool } = require("./tools");
const { needsOf, toolOf } = require("./versions");
const { withParents, baseImages } = require("./images");

/** @typedef {import("./preflight").Finding} Finding */

const gibibyte = 2 ** 30;
/** What a lab of one machine needs to be comfortable; measured: the machine itself takes 1.5 GiB at most. */
const wanted = { cores: 2, memory: 4 * gibibyte, disk: 15 * gibibyte };
/** Each machine's systemd takes about ten inotify instances; the kernel's default of 128 carries about ten machines. */
const wantedInotify = { max_user_instances: 128, max_user_watches: 65_536 };

/**
 * Checks this computer and prints a finding per line, each with its remedy.
 * @param {string} stack
 * @returns {Promise<number>} the exit code: 1 when something would keep `make up` from working
 */
async function doctor(stack) {
    const engine = await askEngine();
    const findings = [
        ...hardware(),
        ...kernel(),
        ...dockerFindings(engine),
        ...(await cgroups(engine.state === "answers")),
        ...(await tools(stack)),
        ...(await downloads()),
        ...(engine.state === "answers" ? await conflicts(stack) : []),
    ];
    const marks = { ok: "ok      ", warning: "warning ", blocking: "BLOCKING" };
    for (const { level, what, remedy } of findings) {
        console.log(`${marks[level]}  ${what}`);
        if (level !== "ok" && remedy !== undefined) {
            console.log(`          what to do: ${remedy}`);
        }
    }
    const blocking = findings.filter(({ level }) => level === "blocking").length;
    console.log(
        blocking === 0 ? "\nmake up can work here" : `\n${blocking} of these would make "make up" fail`,
    );
    return blocking === 0 ? 0 : 1;
}

/** @returns {Finding[]} */
function hardware(cores = os.availableParallelism(), memory = os.totalmem()) {
    const findings = [
        compare(
            "cores",
            cores,
            wanted.cores,
            String,
            "give the virtual machine more processors; one core works, slowly",
        ),
        compare(
            "memory",
            memory,
            wanted.memory,
            inGib,
            "close programs, or give the virtual machine more memory",
        ),
    ];
    for (const [what, folder] of Object.entries({ "the cache": cacheDirectory(), Docker: dockerFolder() })) {
        const { bavail, bsize } = fs.statfsSync(existingParent(folder));
        const remedy =
            what === "Docker"
                ? "free some space: docker system df, docker image prune"
                : "free some space, or set GATEHOUSE_CACHE to another disk";
        findings.push(compare(`disk for ${what} (${folder})`, bavail * bsize, wanted.disk, inGib, remedy));
    }
    return findings;
}

/**
 * Too little is a warning, next to nothing is blocking.
 * @param {string} what
 * @param {number} found
 * @param {number} enough
 * @param {(value: number) => string} format
 * @param {string} remedy
 * @returns {Finding}
 */
function compare(what, found, enough, format, remedy) {
    if (found >= enough) {
        return { level: "ok", what: `${what}: ${format(found)}` };
    }
    const level = found < enough / 4 ? "blocking" : "warning";
    return { level, what: `${what}: ${format(found)}, recommended are ${format(enough)}`, remedy };
}

/** @param {number} bytes */
function inGib(bytes) {
    return `${(bytes / gibibyte).toFixed(1)} GiB`;
}

function dockerFolder() {
    return process.platform === "linux" ? "/var/lib/docker" : os.homedir();
}

/** @param {string} folder @returns {string} */
function existingParent(folder) {
    return fs.existsSync(folder) ? folder : existingParent(require("node:path").dirname(folder));
}

/** @returns {Finding[]} */
function kernel(folder = "/proc/sys/fs/inotify") {
    if (!fs.existsSync(folder)) {
        return []; // Docker Desktop's virtual machine has limits of its own.
    }
    return Object.entries(wantedInotify).map(([name, enough]) => {
        const found = Number(fs.readFileSync(`${folder}/${name}`, "utf8"));
        const remedy = `sudo sysctl fs.inotify.${name}=${enough * 4} (in /etc/sysctl.d to keep it)`;
        return compare(`inotify ${name}`, found, enough, String, remedy);
    });
}

/**
 * @param {Awaited<ReturnType<typeof askEngine>>} engine
 * @returns {Finding[]}
 */
function dockerFindings({ state, message }) {
    const canInstall = process.getuid?.() === 0 && process.platform === "linux" && onDebian();
    switch (state) {
        case "answers":
            return [{ level: "ok", what: "Docker: the engine answers" }];
        case "not permitted":
            return [
                {
                    level: "blocking",
                    what: "Docker: this user may not use it",
                    remedy: `sudo usermod -aG docker ${process.env["USER"] ?? "$USER"}, then log in again`,
                },
            ];
        default:
            return [
                {
                    level: canInstall ? "warning" : "blocking",
                    what: `Docker: ${state === "no client" ? "not installed" : `no engine answers (${message.split("\n")[0]})`}`,
                    remedy: canInstall
                        ? "nothing: make up installs and starts it"
                        : "install and start Docker: https://docs.docker.com/engine/install",
                },
            ];
    }
}

/** @param {boolean} answers @returns {Promise<Finding[]>} */
async function cgroups(answers) {
    if (!answers) {
        return [];
    }
    const { stdout } = await run("docker", [
        "info",
        "--format",
        "{{.CgroupVersion}} {{.CgroupDriver}} {{.ServerVersion}} {{.SecurityOptions}}",
    ]);
    const [version = "?", driver = "?", server = "?", security = ""] = stdout.trim().split(" ");
    const rootless = security.includes("rootless");
    return [
        { level: "ok", what: `cgroups: version ${version}, driver ${driver}; both versions work` },
        compare("Docker engine: major version", parseInt(server, 10), 20, String, "update Docker"),
        ...(rootless
            ? [
                  {
                      level: /** @type {const} */ ("warning"),
                      what: "Docker runs without root: machines that run systemd and Docker inside may not boot",
                      remedy: "use the engine of root (docker context use default)",
                  },
              ]
            : []),
    ];
}

/** @param {string} stack @returns {Promise<Finding[]>} */
async function tools(stack) {
    const needs = needsOf(labOf(stack), undefined, substrateOf(stack));
    const inImages = withParents(needs.images).flatMap((name) => baseImages[name]?.tools ?? []);
    const choice = (hasYaml() && versionsOf(stack)) || {};
    return Promise.all(
        [...new Set([...needs.tools, ...inImages])].map(async (name) => {
            const { version, chosen } = toolOf(name, choice[name]);
            const where = await presentTool(name, choice[name]);
            const otherwise = chosen === true ? "will be fetched" : "will be fetched or built";
            const what = `${name} ${version}: ${where ?? otherwise}`;
            return { level: /** @type {const} */ ("ok"), what };
        }),
    );
}

/** @returns {Promise<Finding[]>} */
async function downloads() {
    const downloader = new Downloader();
    /** @type {[string, string, string][]} */
    const places = [
        ["https://releases.hashicorp.com/", "Consul and Nomad", "they are built from source (needs Go)"],
        [
            "https://github.com/",
            "Pulumi, etcd, confd and Envoy",
            "they are built from source or taken from PyPI (needs Go, Python)",
        ],
        ["https://get.pulumi.com/", "provider plugins", "stand-ins are used (plugins/README.md)"],
        [
            "https://registry-1.docker.io/v2/",
            "the Debian image",
            "it is made with debootstrap (needs root on Debian or Ubuntu)",
        ],
    ];
    return Promise.all(
        places.map(async ([address, what, otherwise]) => {
            const { host } = new URL(address);
            const reachable = await downloader.reachable(address);
            return reachable
                ? { level: /** @type {const} */ ("ok"), what: `${host} (${what}): reachable` }
                : {
                      level: /** @type {const} */ ("warning"),
                      what: `${host} (${what}): not reachable`,
                      remedy: `nothing, if that is meant: ${otherwise}; behind a proxy set HTTPS_PROXY`,
                  };
        }),
    );
}

/** Whether the Node packages, with which a stack's settings are read, are there. */
function hasYaml() {
    return fs.existsSync(`${root}/node_modules/yaml`);
}

/** @param {string} stack @returns {Promise<Finding[]>} */
async function conflicts(stack) {
    if (!hasYaml()) {
        return [
            {
                level: "ok",
                what: "ports, subnet and names: checked by make up, once the Node packages are installed",
            },
        ];
    }
    try {
        const findings = await preflight(stack);
        return findings.length > 0
            ? findings
            : [{ level: "ok", what: `ports, subnet and names of the stack ${stack}: free` }];
    } catch (error) {
        return [{ level: "blocking", what: messageOf(error), remedy: `correct Pulumi.${stack}.yaml` }];
    }
}

module.exports = { doctor, compare, hardware, kernel, dockerFindings };
