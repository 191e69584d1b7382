// @ts-check
"use strict";

/** A failure that the user can act on: what went wrong, and what to do about it. */
class UserError extends Error {
    /**
     * @param {string} message what failed, naming the setting or the thing
     * @param {string} [remedy] what to do
     * @param {{ log?: string, cause?: unknown }} [more] `log`: a file with the whole output
     */
    constructor(message, remedy, more = {}) {
        super(message, { cause: more.cause });
        this.name = "UserError";
        this.remedy = remedy;
        this.log = more.log;
    }
}

/**
 * The error as lines for a terminal.
 * @param {unknown} error
 * @returns {string}
 */
function describe(error) {
    if (!(error instanceof UserError)) {
        return error instanceof Error ? (error.stack ?? error.message) : String(error);
    }
    const lines = [`error: ${error.message}`];
    if (error.remedy !== undefined) {
        lines.push(`  what to do: ${error.remedy}`);
    }
    if (error.log !== undefined) {
        lines.push(`  full output: ${error.log}`);
    }
    return lines.join("\n");
}

/** @param {unknown} error */
function messageOf(error) {
    return error instanceof Error ? error.message : String(error);
}

/** @param {unknown} error @returns {string | undefined} */
function codeOf(error) {
    return /** @type {NodeJS.ErrnoException} */ (error)?.code;
}

module.exports = { UserError, describe, messageOf, codeOf };
