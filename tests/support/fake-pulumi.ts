import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

import { root } from "../../toolchain/paths";
import { versions } from "../../toolchain/versions";

/**
 * A Pulumi CLI that keeps its state as the real one does, writes down how it was called, and waits or fails on
 * request. What the real one does is the lab test's business; here it is what the front door asks of it.
 *
 * - `FAKE_WAIT`, `FAKE_FAIL`: `up` waits for an interruption, or fails
 * - `FAKE_ERROR`: what the engine's events then say went wrong with an instance
 * - `FAKE_OUTPUTS`: the outputs, as JSON, that `up` leaves besides `urls`
 * - `FAKE_DESTROY`: paths of the Linode API that `destroy` deletes, separated by spaces; `FAKE_DESTROY_FAIL`: it fails
 */
const fakePulumi = `#!${process.execPath}
const fs = require("fs"), path = require("path");
const args = process.argv.slice(2);
const log = (line) => fs.appendFileSync(process.env.FAKE_LOG, line + "\\n");
if (args[0] === "version") { console.log("v${versions.tools["pulumi"]!.version}"); process.exit(0); }
log(args.join(" "));
if (process.env.PULUMI_CONFIG_PASSPHRASE_FILE) fs.readFileSync(process.env.PULUMI_CONFIG_PASSPHRASE_FILE);
const base = new URL(process.env.PULUMI_BACKEND_URL).pathname;
const state = path.join(base, ".pulumi/stacks/gatehouse/fake.json");
const read = () => JSON.parse(fs.readFileSync(state, "utf8"));
const write = (latest) => {
    fs.mkdirSync(path.dirname(state), { recursive: true });
    fs.writeFileSync(state, JSON.stringify({ version: 3, checkpoint: { latest } }));
};
const option = (name) => args[args.indexOf(name) + 1];
const report = (message) => {
    const urn = "urn:pulumi:fake::gatehouse::linode:index/instance:Instance::server-1";
    const events = [{ diagnosticEvent: { severity: "info", message: "fine" } }, { diagnosticEvent: { severity: "error", urn, message } }];
    fs.writeFileSync(option("--event-log"), events.map((event) => JSON.stringify(event) + "\\n").join("") + "{\\"diagnosticEvent\\"");
};
if (args[0] === "stack" && args[1] === "init") {
    const file = "Pulumi.fake.yaml";
    fs.writeFileSync(file, "encryptionsalt: v1:salt\\n" + fs.readFileSync(file, "utf8"));
    write({ resources: [] });
} else if (args[0] === "stack" && args[1] === "export") {
    console.log(JSON.stringify({ version: 3, deployment: read().checkpoint.latest }));
} else if (args[0] === "stack" && args[1] === "import") {
    write(JSON.parse(fs.readFileSync(0, "utf8")).deployment);
} else if (args[0] === "stack" && args[1] === "output") {
    console.log(JSON.stringify(read().checkpoint.latest.resources[0].outputs));
} else if (args[0] === "stack" && args[1] === "rm") {
    fs.rmSync(state);
} else if (args[0] === "config" && args[1] === "get") {
    const line = new RegExp(args[2] + ": (.*)").exec(fs.readFileSync(option("--config-file"), "utf8"));
    if (line === null) process.exit(255);
    console.log(line[1]);
} else if (args[0] === "destroy") {
    (async () => {
        for (const place of (process.env.FAKE_DESTROY || "").split(" ").filter((place) => place !== "")) {
            const answer = await fetch(process.env.LINODE_URL + "/v4/" + place, {
                method: "DELETE",
                headers: { authorization: "Bearer " + process.env.LINODE_TOKEN },
            });
            if (!answer.ok) throw new Error(place + ": " + (await answer.text()));
        }
        if (process.env.FAKE_DESTROY_FAIL) process.exit(255);
    })();
} else if (args[0] === "up") {
    const config = fs.readFileSync(option("--config-file"), "utf8");
    // Before the log says that it runs: whoever reads that may interrupt it at once.
    if (process.env.FAKE_WAIT) process.on("SIGINT", () => { log("SIGINT"); setTimeout(() => process.exit(255), 300); });
    log("config " + JSON.stringify(config));
    if (process.env.FAKE_WAIT) {
        setInterval(() => {}, 1000);
    } else if (process.env.FAKE_FAIL) {
        if (process.env.FAKE_ERROR) report(process.env.FAKE_ERROR);
        process.exit(255);
    } else {
        const outputs = { urls: { webapp: "http://127.0.0.1:8000" }, ...JSON.parse(process.env.FAKE_OUTPUTS || "{}") };
        write({ resources: [{ type: "pulumi:pulumi:Stack", outputs }] });
    }
}
`;

/** A checkout of the front door alone, with a Pulumi CLI that does what a test wants. It lacks a stack file. */
export function fakeCheckout(): string {
    const checkout = fs.mkdtempSync(path.join(os.tmpdir(), "gatehouse-front-"));
    fs.cpSync(path.join(root, "toolchain"), path.join(checkout, "toolchain"), { recursive: true });
    for (const file of ["package.json", "package-lock.json", "Pulumi.yaml"]) {
        fs.copyFileSync(path.join(root, file), path.join(checkout, file));
    }
    fs.symlinkSync(path.join(root, "node_modules"), path.join(checkout, "node_modules"));
    const needs = { tools: ["pulumi", "pulumi-language-nodejs"], images: [], plugins: [] };
    fs.writeFileSync(path.join(checkout, "toolchain/labs.json"), JSON.stringify({ nomad: needs }));
    fs.mkdirSync(path.join(checkout, "bin"));
    fs.writeFileSync(path.join(checkout, "bin/pulumi"), fakePulumi, { mode: 0o755 });
    fs.writeFileSync(path.join(checkout, "bin/pulumi-language-nodejs"), "", { mode: 0o755 });
    return checkout;
}

/** The environment of the front door there. What the fake CLI is told goes in as `extra`. */
export function fakeEnvironment(checkout: string, extra: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
    return {
        PATH: `${checkout}/bin:${process.env["PATH"]}`,
        HOME: checkout,
        GATEHOUSE_CACHE: path.join(checkout, "cache"),
        FAKE_LOG: path.join(checkout, "log"),
        DOCKER_HOST: process.env["DOCKER_HOST"],
        ...extra,
    };
}
