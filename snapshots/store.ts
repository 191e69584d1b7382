import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { stateDirectory } from "../toolchain/paths";
import { parseName, type SnapshotName, superfluous } from "./names";
import type { Server, ServerReport } from "./servers";

/** A snapshot that somebody has: this computer, or servers. */
export interface Found extends SnapshotName {
    /** Where it lies on this computer, if it does. */
    file?: string;
    /** The server that it can be fetched from. */
    server?: Server;
    sha256?: string;
}

/** The operator's own copies, encrypted as they came: `.gatehouse/snapshots/<stack>`. */
export class LocalStore {
    readonly folder: string;

    constructor(stack: string) {
        this.folder = join(stateDirectory, "snapshots", stack);
        mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    }

    list(): Found[] {
        return readdirSync(this.folder).flatMap((name) => {
            const parsed = parseName(name);
            return parsed ? [{ ...parsed, file: join(this.folder, name) }] : [];
        });
    }

    /** Its file here; fetched if it is elsewhere. */
    async bring(found: Found): Promise<string> {
        if (found.file !== undefined) {
            return found.file;
        }
        const content = await found.server!.fetch(found.name);
        const sum = createHash("sha256").update(content).digest("hex");
        if (sum !== found.sha256) {
            throw new Error(`${found.name} did not arrive from ${found.server!.name} as it is there`);
        }
        const file = join(this.folder, found.name);
        const draft = `${file}.${process.pid}`;
        writeFileSync(draft, content, { mode: 0o600 });
        renameSync(draft, file);
        return file;
    }

    /** Keeps as many of each source as a server does. */
    tidy(keep: number): void {
        for (const name of superfluous(this.list(), keep)) {
            rmSync(join(this.folder, name), { force: true });
        }
    }
}

/** What a server has, by its report. */
export function onServer(server: Server, report: ServerReport): Found[] {
    return report.files.flatMap(({ name, sha256 }) => {
        const parsed = parseName(name);
        return parsed ? [{ ...parsed, server, sha256 }] : [];
    });
}

/** Everything once: local files before those that would have to be fetched. */
export function everything(local: Found[], remote: Found[]): Found[] {
    const names = new Set(local.map(({ name }) => name));
    return [...local, ...remote.filter(({ name }) => !names.has(name))];
}
