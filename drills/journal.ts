import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import * as path from "node:path";

import { stateDirectory } from "../toolchain/paths";

export interface Entry {
    /** The drill that is under way. */
    drill: string;
    /** A client that it drains. */
    drained?: string;
    /** The stack file as it was before the drill changed it. */
    stackFile?: string;
}

/**
 * What a drill is about to do, on disk: whoever finds an entry knows that a drill was interrupted and that the state of
 * the lab is not its owner's will.
 */
export class Journal {
    private readonly file: string;

    constructor(stack: string) {
        this.file = path.join(stateDirectory, "drills", `${stack}.json`);
    }

    /** The entry of a drill that has not been put back. */
    open(): Entry | undefined {
        return existsSync(this.file) ? (JSON.parse(readFileSync(this.file, "utf8")) as Entry) : undefined;
    }

    write(entry: Entry): void {
        mkdirSync(path.dirname(this.file), { recursive: true });
        writeFileSync(this.file, JSON.stringify(entry), { mode: 0o600 });
    }

    add(more: Omit<Entry, "drill">): void {
        const entry = this.open();
        if (entry !== undefined) {
            this.write({ ...entry, ...more });
        }
    }

    close(): void {
        rmSync(this.file, { force: true });
    }
}
