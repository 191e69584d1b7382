import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";

/** The checkout. */
const root = join(__dirname, "../..");

/** A short hash over a build context (relative to the checkout) and whatever else decides the image's content. */
export function contextDigest(context: string, ...more: string[]): string {
    const folder = join(root, context);
    const hash = createHash("sha256").update(JSON.stringify(more));
    const files = fs
        .readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name))
        .sort();
    for (const file of files) {
        const executable = (fs.statSync(file).mode & 0o111) !== 0;
        hash.update(`\0${file.slice(folder.length)}\0${executable ? "x" : "-"}\0`).update(
            fs.readFileSync(file),
        );
    }
    return hash.digest("hex").slice(0, 12);
}
