// @ts-check
"use strict";

const fs = require("node:fs");
const { inCache } = require("./paths");

/**
 * Remembers what was found out about a file, for as long as the file stays the same: asking a program for its
 * version takes a tenth of a second each, and a warm start has no time for that.
 * @template T
 * @param {string} file
 * @param {string} question
 * @param {(file: string) => Promise<T>} answer
 * @returns {Promise<T>}
 */
async function factAbout(file, question, answer) {
    const real = fs.realpathSync(file);
    const { size, mtimeMs } = fs.statSync(real);
    const key = `${question} ${real}`;
    const known = readFacts()[key];
    if (known !== undefined && known.size === size && known.mtimeMs === mtimeMs) {
        return known.value;
    }
    const value = await answer(real);
    writeFacts({ ...readFacts(), [key]: { size, mtimeMs, value } });
    return value;
}

/** @returns {Record<string, any>} */
function readFacts() {
    try {
        return JSON.parse(fs.readFileSync(inCache("facts.json"), "utf8"));
    } catch {
        return {};
    }
}

/** Two writers at once may lose a fact, which is then found out again. @param {Record<string, unknown>} facts */
function writeFacts(facts) {
    const draft = inCache(`facts.${process.pid}.json`);
    fs.writeFileSync(draft, JSON.stringify(facts, undefined, 2));
    fs.renameSync(draft, inCache("facts.json"));
}

module.exports = { factAbout };
