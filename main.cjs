// @ts-check
"use strict";
// What Pulumi runs: the program, index.ts, by way of tsx. Pulumi's own way (ts-node) takes two seconds more to load it.

const { RunError } = require("@pulumi/pulumi");

// Pulumi takes the stack of every promise it makes, thousands of them, and shows none. To look up where their lines come
// from takes another second or two, so that is done only for an error that is about to be shown.
Reflect.deleteProperty(Error, "prepareStackTrace"); // ts-node's, which older releases of Pulumi load all the same.
process.setSourceMapsEnabled(true);
// @ts-expect-error Its types are behind "exports", which node10 resolution does not read.
require("tsx/cjs");
const program = require("./index");
process.setSourceMapsEnabled(false);

/** @param {unknown} error A RunError is what the user can put right; it is shown without its stack. */
const showLines = (error) => process.setSourceMapsEnabled(!RunError.isInstance(error));
process.prependListener("uncaughtException", showLines);
process.prependListener("unhandledRejection", showLines);

module.exports = program;
