import { readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Reads one of the files that cloud-init documents carry to machines, shell scripts and units. Comments and empty lines
 * stay behind: a document has little room (`userDataLimit`).
 */
export function readAsset(name: string): string {
    const text = readFileSync(join(__dirname, "files", name), "utf8");
    return text.replace(/^[ \t]*(#(?!!).*)?\n/gm, "");
}
