#!/usr/bin/env node
// @ts-check
"use strict";

const { describe, UserError } = require("./errors");
const { killChildren } = require("./run");

/** @type {Record<string, { run: (args: string[]) => Promise<number | void>, help: string }>} */
const commands = {
    up: {
        run: (args) => require("./commands").up(stackOf(args)),
        help: "create or update the stack, print its URLs",
    },
    preview: {
        run: (args) => require("./commands").preview(stackOf(args)),
        help: "show what up would change",
    },
    down: {
        run: (args) => require("./commands").down(stackOf(args)),
        help: "remove the stack and every trace of it",
    },
    outputs: {
        run: (args) => require("./commands").outputs(stackOf(args)),
        help: "print the stack's outputs as JSON",
    },
    env: {
        run: (args) => require("./commands").env(stackOf(args)),
        help: "print exports for a plain pulumi",
    },
    doctor: { run: (args) => require("./doctor").doctor(stackOf(args)), help: "check this computer" },
    setup: {
        run: (args) => require("./commands").setupOnly(args),
        help: "bring tools, images, plugins into place",
    },
    images: {
        run: (args) => require("./commands").images(args),
        help: "build the base images that are missing",
    },
    run: {
        run: (args) => require("./runwith").runWith(args),
        help: "run a program with the tools on its PATH",
    },
    packages: { run: () => require("./commands").packages(), help: "install the Node packages" },
    clean: { run: () => require("./clean").clean(), help: "remove cached images, tools and local state" },
};

/** @param {string[]} args */
function stackOf(args) {
    return args[0] ?? process.env["STACK"] ?? "dev";
}

function requireNode() {
    const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
    if (major < 20 || (major === 20 && minor < 12)) {
        throw new UserError(
            `Node ${process.versions.node} is too old`,
            "install Node 20.12 or later from https://nodejs.org and run the command again",
        );
    }
}

/** @param {string[]} argv */
async function main([name = "", ...args]) {
    requireNode();
    const command = commands[name];
    if (command === undefined) {
        for (const [known, { help }] of Object.entries(commands)) {
            console.log(`  ${known.padEnd(10)} ${help}`);
        }
        return name === "" || name === "help" ? 0 : 2;
    }
    return (await command.run(args)) ?? 0;
}

/** Ends set-up work at once; while Pulumi runs in front it handles signals itself (pulumi.js). */
function onSignal() {
    if (process.listenerCount("SIGINT") > 1) {
        return;
    }
    console.error("\ninterrupted; finished parts are kept, and the next run goes on from there");
    killChildren();
    process.exit(130);
}
process.on("SIGINT", onSignal).on("SIGTERM", onSignal).on("SIGHUP", onSignal);

main(process.argv.slice(2)).then(
    (code) => process.exit(code),
    (error) => {
        killChildren();
        console.error(`\n${describe(error)}`);
        process.exit(1);
    },
);
