import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const prefix = "gatehouse-restore-";

/** Memory where the system has it: snapshots in plain text and keys do not touch the disk then. */
const place = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

/**
 * A folder that nobody else reads, and whatever else has to be gone when this process ends, however it ends. What a
 * killed run has left is removed by the next.
 */
export class PrivateFolder {
    readonly path: string;
    private readonly endings: (() => void)[] = [];
    private readonly afterwards: (() => void)[] = [];
    private closed = false;

    constructor() {
        removeLeftovers();
        this.path = mkdtempSync(join(place, `${prefix}${process.pid}-`));
        this.on("exit", () => this.close());
        for (const [signal, number] of [
            ["SIGINT", 2],
            ["SIGTERM", 15],
            ["SIGHUP", 1],
        ] as const) {
            this.on(signal, () => process.exit(128 + number));
        }
    }

    /** As long as the folder is there. */
    private on(event: "exit" | NodeJS.Signals, work: () => void): void {
        process.once(event, work);
        this.afterwards.push(() => process.off(event, work));
    }

    /** A file that its owner alone reads. */
    write(name: string, content: string | Buffer): string {
        const path = join(this.path, name);
        writeFileSync(path, content, { mode: 0o600 });
        return path;
    }

    /** Something to be done before the folder is removed. */
    beforeEnd(ending: () => void): void {
        this.endings.push(ending);
    }

    close(): void {
        if (!this.closed) {
            this.closed = true;
            this.endings.forEach((ending) => ending());
            rmSync(this.path, { recursive: true, force: true, maxRetries: 5 });
            this.afterwards.forEach((each) => each());
        }
    }
}

function removeLeftovers(): void {
    for (const name of readdirSync(place).filter((each) => each.startsWith(prefix))) {
        const owner = Number(/^\d+/.exec(name.slice(prefix.length))?.[0]);
        if (!lives(owner)) {
            const folder = join(place, name);
            for (const pid of pidsIn(folder).filter((each) => commandOf(each).includes(folder))) {
                process.kill(pid, "SIGKILL");
            }
            rmSync(folder, { recursive: true, force: true });
        }
    }
}

/** Agents write down who they are. */
function pidsIn(folder: string): number[] {
    return readdirSync(folder)
        .filter((name) => name.endsWith(".pid"))
        .map((name) => Number(readFileSync(join(folder, name), "utf8")))
        .filter(lives);
}

/** Process ids come again: only one that was started in the folder is ours. Empty where there is no /proc. */
function commandOf(pid: number): string {
    try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8");
    } catch {
        return "";
    }
}

function lives(pid: number): boolean {
    try {
        process.kill(pid, 0);
        return true;
    } catch (error) {
        return (error as NodeJS.ErrnoException).code === "EPERM";
    }
}
