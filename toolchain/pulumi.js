// @ts-check
"use strict";

const { spawn } = require("node:child_process");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { chooseBackend, pulumiEnvironment, stateFile } = require("./backend");
const { UserError } = require("./errors");
const { root, stackFolder } = require("./paths");
const { mustRun } = require("./run");
const { configFileFor, moveSalt, stackFile } = require("./stackfile");

/**
 * The Pulumi CLI for one stack.
 */
class Pulumi {
    /**
     * @param {string} stack
     * @param {import("./setup").Ready} ready
     */
    constructor(stack, ready) {
        this.stack = stack;
        this.command = ready.tools["pulumi"] ?? "pulumi";
        this.backend = chooseBackend();
        this.additions = pulumiEnvironment({
            backend: this.backend,
            toolFolders: ready.toolFolders,
            plugins: ready.plugins,
            dockerHost: ready.dockerHost,
        });
        this.env = { ...process.env, ...this.additions };
        /** Chosen once: the default backend gets a copy of the stack file. */
        this.configFile = this.backend.ours ? configFileFor(stack) : stackFile(stack);
    }

    /** Whether the stack is known; cheap where the state lies in our own files. */
    async exists() {
        if (this.backend.ours) {
            return fs.existsSync(stateFile(this.stack));
        }
        const { stdout } = await this.capture(["stack", "ls", "--json"], "the stacks cannot be listed");
        return JSON.parse(stdout).some(
            (/** @type {{ name: string }} */ { name }) =>
                name === this.stack || name.endsWith(`/${this.stack}`),
        );
    }

    /** Makes the stack when there is none yet. */
    async create() {
        if (await this.exists()) {
            return;
        }
        const before = fs.readFileSync(stackFile(this.stack), "utf8");
        await this.capture(
            ["stack", "init", this.stack, "--no-select"],
            `the stack ${this.stack} cannot be made`,
            // It writes a new stack's salt beside the project's file.
            { cwd: stackFolder },
        );
        if (this.backend.ours) {
            this.configFile = moveSalt(this.stack, before);
        }
    }

    configArguments() {
        const byDefault = path.join(root, `Pulumi.${this.stack}.yaml`);
        return this.configFile === byDefault ? [] : ["--config-file", this.configFile];
    }

    /**
     * Runs a command whose output is read.
     * @param {string[]} args
     * @param {string} what
     * @param {{ input?: string, cwd?: string }} [options]
     */
    capture(args, what, options = {}) {
        return mustRun(this.command, [...args, "--non-interactive"], {
            cwd: root,
            env: this.env,
            what,
            ...options,
        });
    }

    /**
     * Runs an operation on the stack in front of the user.
     * @param {string} operation `up`, `preview`, `destroy`
     * @param {string[]} args
     * @param {{ errors?: boolean }} [options] `errors`: whether the engine's error messages are wanted
     * @returns {Promise<{ code: number, interrupted: boolean, errors: string[] }>} `errors`: each with its resource
     */
    async operate(operation, args, { errors = false } = {}) {
        const all = [operation, "--stack", this.stack, ...this.configArguments(), ...args];
        const terminal = process.stdin.isTTY === true && process.stdout.isTTY === true;
        const run = (/** @type {string[]} */ more, /** @type {NodeJS.ProcessEnv} */ env) =>
            inForeground(
                this.command,
                [...all, ...more, ...(terminal ? [] : ["--non-interactive"])],
                env,
                terminal,
            );
        if (!errors) {
            return { ...(await run([], this.env)), errors: [] };
        }
        // What Pulumi prints belongs to the terminal; the engine writes its events to a file as well.
        const folder = fs.mkdtempSync(path.join(os.tmpdir(), "gatehouse-events-"));
        try {
            const file = path.join(folder, "events");
            const env = { ...this.env, PULUMI_DEBUG_COMMANDS: "true" };
            const outcome = await run(["--event-log", file], env);
            return { ...outcome, errors: outcome.code === 0 ? [] : errorsIn(file) };
        } finally {
            fs.rmSync(folder, { recursive: true, force: true });
        }
    }
}

/**
 * The error messages in a file of the engine's events, one event a line.
 * @param {string} file
 * @returns {string[]}
 */
function errorsIn(file) {
    const text = fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "";
    return text.split("\n").flatMap((line) => {
        if (!line.includes('"diagnosticEvent"')) {
            return [];
        }
        try {
            const { severity, urn = "", message = "" } = JSON.parse(line).diagnosticEvent;
            return severity === "error" ? [`${urn}: ${message}`] : [];
        } catch {
            return []; // The end of a run that was killed.
        }
    });
}

/**
 * Ctrl-C reaches Pulumi exactly once: it then cancels in an orderly way, and takes a second one as an order to stop
 * at once. On a terminal the signal goes to everyone in the foreground, so it is not passed on; without one Pulumi
 * gets a process group of its own, and the signal that this program gets.
 * @param {string} command
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} env
 * @param {boolean} terminal
 * @returns {Promise<{ code: number, interrupted: boolean }>}
 */
function inForeground(command, args, env, terminal) {
    return new Promise((resolve, reject) => {
        const child = spawn(command, args, {
            cwd: root,
            env,
            stdio: [terminal ? "inherit" : "ignore", "inherit", "inherit"],
            detached: !terminal,
        });
        let interrupted = false;
        const onInterrupt = () => {
            interrupted = true;
            if (!terminal) {
                child.kill("SIGINT");
            }
        };
        const onTerminate = () => {
            interrupted = true;
            child.kill("SIGINT");
        };
        process.on("SIGINT", onInterrupt).on("SIGTERM", onTerminate).on("SIGHUP", onTerminate);
        const finish = () => {
            process.off("SIGINT", onInterrupt).off("SIGTERM", onTerminate).off("SIGHUP", onTerminate);
        };
        child.on("error", (error) => {
            finish();
            reject(error);
        });
        child.on("close", (code) => {
            finish();
            resolve({ code: code ?? 1, interrupted });
        });
    });
}

/**
 * Turns the end of an operation into an error that says how to go on.
 * @param {string} stack
 * @param {string} operation
 * @param {{ code: number, interrupted: boolean }} outcome
 */
function judgeOutcome(stack, operation, { code, interrupted }) {
    const variable = stack === "dev" ? "" : ` STACK=${stack}`;
    if (interrupted) {
        throw new UserError(
            `${operation} was interrupted; what it had finished is kept in the state`,
            `"make up${variable}" goes on from there, "make down${variable}" removes it`,
        );
    }
    if (code !== 0) {
        throw new UserError(
            `pulumi ${operation} failed (see above)`,
            operation === "destroy"
                ? `"make down${variable}" tries again; "make down${variable} FORCE=1" removes the stack's containers, networks, volumes (on Linode: everything with its tag) and state without asking the clusters`
                : `correct the cause and run "make up${variable}" again: it goes on from here; "make down${variable}" removes what was made`,
        );
    }
}

module.exports = { Pulumi, judgeOutcome };
