import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Reads one of the files that cloud-init documents carry to machines as they stand. */
export function readAsset(name: string): string {
    return readFileSync(join(__dirname, "files", name), "utf8");
}
