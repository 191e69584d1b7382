// @ts-check
"use strict";

const { spawn } = require("node:child_process");
const fs = require("node:fs");
const { setTimeout: sleep } = require("node:timers/promises");
const { UserError, codeOf } = require("./errors");
const { withLock } = require("./locks");
const { inCache } = require("./paths");
const { lastLines, mustRun, run, which } = require("./run");

/** Seconds for a started engine to answer. */
const startTimeout = 60;
const installRemedy =
    "install Docker from https://docs.docker.com/engine/install (or Docker Desktop), start it, and run the command again";

/**
 * @typedef {"answers" | "no client" | "no engine" | "not permitted"} EngineState
 */

/**
 * What the engine says when asked for its images, which is the question that a warm start needs answered anyway.
 * @returns {Promise<{ state: EngineState, images: Set<string>, message: string }>}
 */
async function askEngine() {
    const args = ["image", "ls", "--filter", "reference=gatehouse/*", "--format", "{{.Repository}}:{{.Tag}}"];
    try {
        const result = await run("docker", args, { timeout: 30 });
        const images = new Set(result.stdout.split("\n").filter((line) => line !== ""));
        return { state: judgeAnswer(result), images, message: result.stderr.trim() };
    } catch (error) {
        if (codeOf(error) === "ENOENT") {
            return { state: "no client", images: new Set(), message: "docker is not installed" };
        }
        throw error;
    }
}

/** @param {{ code: number, stderr: string }} result @returns {EngineState} */
function judgeAnswer(result) {
    if (result.code === 0) {
        return "answers";
    }
    return /permission denied/i.test(result.stderr) ? "not permitted" : "no engine";
}

/**
 * Makes sure that an engine answers; installs and starts one on Debian and Ubuntu for root.
 * @param {import("./progress").Progress} progress
 * @returns {Promise<Set<string>>} the references of our base images that it has
 */
async function ensureDocker(progress) {
    const first = await askEngine();
    if (first.state === "answers") {
        return first.images;
    }
    if (first.state === "not permitted") {
        throw new UserError(
            "this user may not use Docker (permission denied on its socket)",
            `run "sudo usermod -aG docker ${process.env["USER"] ?? "$USER"}", log in again, and run the command again`,
        );
    }
    if (process.env["DOCKER_HOST"]) {
        throw new UserError(
            `the Docker engine at DOCKER_HOST=${process.env["DOCKER_HOST"]} does not answer: ${first.message}`,
            "start it, or unset DOCKER_HOST to use the one of this computer",
        );
    }
    const root = process.getuid?.() === 0;
    if (process.platform !== "linux" || !root || (which("dockerd") === undefined && !onDebian())) {
        throw new UserError(
            first.state === "no client"
                ? "Docker is not installed"
                : `no Docker engine answers: ${first.message}`,
            first.state === "no client" || process.platform === "darwin"
                ? installRemedy
                : 'start it ("sudo systemctl start docker") and run the command again',
        );
    }
    return progress.task("Docker", (step) =>
        withLock(
            "docker",
            async () => {
                await installEngine(step);
                await startEngine(step);
                return (await askEngine()).images;
            },
            () => step.say("waiting for another run that starts it"),
        ),
    );
}

/** Also true on Ubuntu and other descendants. */
function onDebian(release = readFile("/etc/os-release")) {
    return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(release);
}

/** @param {string} file */
function readFile(file) {
    try {
        return fs.readFileSync(file, "utf8");
    } catch {
        return "";
    }
}

/** @param {import("./progress").Step} step */
async function installEngine(step) {
    if (which("docker") !== undefined && which("dockerd") !== undefined) {
        return;
    }
    await aptInstall(["docker.io", "iptables"], step);
}

/**
 * Installs Debian packages without asking anything.
 * @param {string[]} packages
 * @param {import("./progress").Step} step
 */
async function aptInstall(packages, step) {
    const log = inCache("logs", "apt.log");
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    const options = { env, log, remedy: "read the log; check the network and /etc/apt/sources.list.d" };
    const wait = "DPkg::Lock::Timeout=300"; // An unattended upgrade may hold the lock.
    step.say(`installing ${packages.join(" and ")} with apt-get (log: ${log})`);
    await mustRun("apt-get", ["-o", wait, "update"], {
        ...options,
        what: "the package lists cannot be fetched",
    });
    await mustRun("apt-get", ["-o", wait, "install", "-y", "--no-install-recommends", ...packages], {
        ...options,
        what: `${packages.join(" and ")} cannot be installed`,
    });
}

/** @param {import("./progress").Step} step */
async function startEngine(step) {
    if ((await askEngine()).state === "answers") {
        return; // apt started it, or another run did.
    }
    step.say("starting the engine");
    const log = inCache("dockerd.log");
    if (fs.existsSync("/run/systemd/system")) {
        await mustRun("systemctl", ["start", "docker"], {
            what: "Docker cannot be started",
            remedy: 'read "journalctl -u docker -n 50"',
        });
    } else {
        removeStalePids();
        const out = fs.openSync(log, "a");
        // Its own session: it has to outlive this program and its terminal.
        spawn("dockerd", [], { detached: true, stdio: ["ignore", out, out] }).unref();
        fs.closeSync(out);
    }
    const deadline = Date.now() + startTimeout * 1000;
    while ((await askEngine()).state !== "answers") {
        if (Date.now() > deadline) {
            throw new UserError(
                `the Docker engine does not answer ${startTimeout} s after its start\n${lastLines(readFile(log))}`,
                "read its log for the cause",
                { log },
            );
        }
        await sleep(200);
    }
}

/** An engine that was killed leaves files that name processes; a new one refuses to start over them. */
function removeStalePids() {
    for (const [file, program] of [
        ["/var/run/docker.pid", "dockerd"],
        ["/var/run/docker/containerd/containerd.pid", "containerd"],
    ]) {
        const pid = readFile(file ?? "").trim();
        if (pid !== "" && !readFile(`/proc/${pid}/comm`).startsWith(program ?? "")) {
            fs.rmSync(file ?? "", { force: true });
        }
    }
}

/**
 * The engine's address where it is not the usual socket (Docker Desktop, rootless): providers ask the environment,
 * not the client's contexts.
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<string | undefined>}
 */
async function engineAddress(env = process.env) {
    if (env["DOCKER_HOST"] || fs.existsSync("/var/run/docker.sock")) {
        return env["DOCKER_HOST"];
    }
    const result = await run("docker", ["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]);
    return result.code === 0 ? result.stdout.trim() : undefined;
}

module.exports = { askEngine, ensureDocker, judgeAnswer, onDebian, aptInstall, engineAddress };
