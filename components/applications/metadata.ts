import type { NodeConfiguration } from "../clusters/node-files";

/** What a machine says of itself, e.g. `{ type: "webserver" }`. Applications ask for it. */
export type MachineMetadata = Readonly<Record<string, string>>;

/** Where a machine has its metadata, as JSON: for people and programs on it. */
export const metadataFile = "/etc/gatehouse/metadata.json";

/** The machine's metadata on the machine. A change restarts nothing. Pure. */
export function machineMetadata(metadata: MachineMetadata): NodeConfiguration {
    const content = `${JSON.stringify(metadata, undefined, 2)}\n`;
    return { files: [{ path: metadataFile, content, mode: "0644", owner: "root:root" }], units: [] };
}

/** Whether a machine has all that is asked for. */
export function satisfies(metadata: MachineMetadata, requires: MachineMetadata): boolean {
    return Object.entries(requires).every(([name, value]) => metadata[name] === value);
}
