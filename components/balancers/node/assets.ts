import { readFileSync } from "node:fs";
import { join } from "node:path";

import { libraryFolder } from "../../../cloud-init";
import type { NodeFile } from "../../clusters/node-files";

/** A file of this folder as it stands. */
export function asset(name: string): string {
    return readFileSync(join(__dirname, name), "utf8");
}

/** A file of the guard's. */
export function guardAsset(name: string): string {
    return readFileSync(join(__dirname, "../guard", name), "utf8");
}

/** A program beside the machine's other helpers; they find each other there. */
export function program(name: string, content: string, unit?: NodeFile["unit"]): NodeFile {
    return { path: `${libraryFolder}/${name}`, content, mode: "0755", owner: "root:root", unit };
}

/** A systemd unit, of this folder by default. A new one takes effect when its process is started anew. */
export function unitFile(name: string, content = asset(name)): NodeFile {
    return {
        path: `/etc/systemd/system/${name}`,
        content,
        mode: "0644",
        owner: "root:root",
        unit: { name, change: "restart" },
    };
}
