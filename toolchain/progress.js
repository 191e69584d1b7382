// @ts-check
"use strict";

/** Steps shorter than this many seconds leave no line behind. */
const worthALine = 1;
/** Without a terminal a running step speaks at least this often, in seconds. */
const silence = 20;
/** Commands report whole shell scripts as their progress. */
const longestLine = 160;

/**
 * One running step.
 * @typedef {object} Step
 * @property {(detail: string) => void} say what is being done now; always shown
 * @property {(fact: string) => void} note something that the user should know afterwards; stays on the screen
 * @property {(detail: string) => void} update how far it is; shown in the live list, and now and then without one
 */

/**
 * Shows steps that run side by side: as a live list on a terminal, otherwise as plain lines.
 */
class Progress {
    /** @param {{ stream?: NodeJS.WriteStream | { write(text: string): unknown, isTTY?: boolean, columns?: number }, now?: () => number }} [options] */
    constructor({ stream = process.stderr, now = Date.now } = {}) {
        this.stream = stream;
        this.now = now;
        this.live = stream.isTTY === true && process.env["TERM"] !== "dumb" && !process.env["CI"];
        this.began = now();
        /** @type {Map<symbol, { name: string, began: number, detail: string, spoke: number }>} */
        this.running = new Map();
        this.drawn = 0;
        /** @type {NodeJS.Timeout | undefined} */
        this.timer = undefined;
    }

    /**
     * Runs a step.
     * @template T
     * @param {string} name
     * @param {(step: Step) => Promise<T>} work
     * @returns {Promise<T>}
     */
    async task(name, work) {
        const id = Symbol(name);
        const entry = { name, began: this.now(), detail: "", spoke: this.now() };
        this.running.set(id, entry);
        this.timer ??= setInterval(() => this.tick(), this.live ? 200 : 1000);
        this.timer.unref();
        let spoken = false;
        const step = {
            say: (/** @type {string} */ detail) => {
                entry.detail = detail;
                spoken = true;
                if (!this.live) {
                    this.speak(entry);
                }
            },
            note: (/** @type {string} */ fact) => this.line(`${name}: ${fact}`),
            update: (/** @type {string} */ detail) => {
                entry.detail = detail;
            },
        };
        let outcome = "failed";
        try {
            const result = await work(step);
            outcome = "done";
            return result;
        } finally {
            this.running.delete(id);
            const seconds = (this.now() - entry.began) / 1000;
            if (spoken || outcome === "failed" || seconds >= worthALine) {
                this.line(`${name}: ${outcome} in ${duration(seconds)}`);
            }
            if (this.running.size === 0) {
                clearInterval(this.timer);
                this.timer = undefined;
                this.erase();
            }
        }
    }

    /** A line that stays. @param {string} text */
    line(text) {
        this.erase();
        this.stream.write(
            `[${String(Math.round((this.now() - this.began) / 1000)).padStart(4)} s] ${text}\n`,
        );
        this.draw();
    }

    /** @param {{ name: string, detail: string, spoke: number }} entry */
    speak(entry) {
        entry.spoke = this.now();
        this.line(shorten(entry.detail === "" ? entry.name : `${entry.name}: ${entry.detail}`, longestLine));
    }

    tick() {
        if (this.live) {
            this.erase();
            this.draw();
            return;
        }
        for (const entry of this.running.values()) {
            if (this.now() - entry.spoke >= silence * 1000) {
                this.speak(entry);
            }
        }
    }

    draw() {
        if (!this.live) {
            return;
        }
        const width = (this.stream.columns || 80) - 1;
        for (const { name, began, detail } of this.running.values()) {
            const text = `  ${duration((this.now() - began) / 1000).padStart(7)}  ${name}${detail && `: ${detail}`}`;
            this.stream.write(`${shorten(text, width)}\n`);
            this.drawn++;
        }
    }

    erase() {
        if (this.drawn > 0) {
            this.stream.write(`\x1b[${this.drawn}A\x1b[0J`);
            this.drawn = 0;
        }
    }
}

/** @param {string} text @param {number} width */
function shorten(text, width) {
    return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}

/** @param {number} seconds */
function duration(seconds) {
    return seconds < 60
        ? `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`
        : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

module.exports = { Progress, duration };
