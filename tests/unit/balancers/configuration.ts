import * as assert from "node:assert/strict";

/** The lines of a section of haproxy.cfg, without comments. */
export function section(configuration: string, heading: string): string[] {
    const lines = configuration.split("\n");
    const start = lines.indexOf(heading);
    assert.ok(start >= 0, `there is no section ${heading}`);
    const length = lines.slice(start + 1).findIndex((line) => /^\S/.test(line));
    return lines
        .slice(start + 1, length < 0 ? undefined : start + 1 + length)
        .map((line) => line.trim())
        .filter((line) => line !== "" && !line.startsWith("#"));
}
