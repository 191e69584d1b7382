// @ts-check
"use strict";

/** Lets a number of works run at a time, in the order in which they came. */
class Semaphore {
    /** @param {number} places */
    constructor(places) {
        this.places = places;
        /** @type {(() => void)[]} */
        this.queue = [];
    }

    /**
     * @template T
     * @param {() => Promise<T>} work
     * @param {() => void} [onWait]
     * @returns {Promise<T>}
     */
    async run(work, onWait) {
        if (this.places === 0) {
            onWait?.();
            await new Promise((resolve) => this.queue.push(() => resolve(undefined)));
        } else {
            this.places--;
        }
        try {
            return await work();
        } finally {
            const next = this.queue.shift();
            if (next === undefined) {
                this.places++;
            } else {
                next();
            }
        }
    }
}

module.exports = { Semaphore };
