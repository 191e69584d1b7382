import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { libraryFolder } from "../../../cloud-init";
import type { NodeFile } from "../../clusters/node-files";

/** How a node's HAProxy learns of instances. */
export type NodeDiscovery = "template" | "events";

const folder = join(__dirname, "../events");

/** HAProxy's Lua: a file and its neighbours, which it finds beside it. */
const modules = readdirSync(folder)
    .filter((name) => name.endsWith(".lua"))
    .sort()
    .map((name) => ({ name, content: readFileSync(join(folder, name), "utf8") }));

/** HAProxy reads the files when it takes over another configuration: this is a part of it. */
export const discoveryVersion = createHash("sha256")
    .update(JSON.stringify(modules))
    .digest("hex")
    .slice(0, 12);

/** There in every form, so that another form is another setting and nothing else. */
export function discoveryFiles(unit: NodeFile["unit"]): NodeFile[] {
    return modules.map(({ name, content }) => ({
        path: `${libraryFolder}/${name}`,
        content,
        mode: "0644",
        owner: "root:root",
        unit,
    }));
}

/**
 * What haproxy.ctmpl needs for `events`: all of the Lua's settings (components/balancers/events/events.lua) but the
 * services, which it fills in from the catalogue.
 */
export function discoverySettings(
    consulToken: string,
    guard: { minimumShare: number; holdSeconds: number },
): Record<string, unknown> {
    return {
        module: `${libraryFolder}/events.lua`,
        version: discoveryVersion,
        settings: {
            consul: { url: "http://127.0.0.1:8500", token: consulToken },
            guard: { minimumShare: guard.minimumShare, hold: guard.holdSeconds },
            wait: 5,
            patience: 5,
            state: "/state/discovery.json",
        },
    };
}
