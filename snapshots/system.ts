import type { Item } from "./compare";
import type { PrivateFolder } from "./private-folder";
import type { Remote } from "./servers";

/** What a cluster knows. */
export interface Inventory {
    items: Item[];
    /** Where the system's other counts stand than that of snapshots' indices (see {@link Item.count}). */
    counts?: Record<string, number>;
}

export interface RehearsalArgs {
    /** The cluster's, where it has one. */
    datacenter?: string;
    /** The variables of the command lines: what gets in before the restore, and after it, since the snapshot knows it. */
    environment: Record<string, string>;
    folder: PrivateFolder;
}

/** What snapshots are taken of: how one is read, tried out and compared. */
export interface System {
    /** As in the names of snapshots, of the service on the servers and of the program. */
    name: string;
    /** Fails when the file that is its last argument is not whole; prints JSON. */
    inspect: readonly string[];
    /** The way to the index of the snapshot's last entry in that JSON. */
    index: readonly string[];
    /** What is wrong with a file that the program would not notice or choke on; undefined if nothing is. */
    flaw?(path: string): string | undefined;
    /** What a throwaway server on this computer knows that has got the snapshot. Ends with the folder. */
    rehearse(snapshot: string, args: RehearsalArgs): Promise<Inventory>;
    /** What the running cluster knows. Rejects when it cannot be asked. */
    running(environment: Record<string, string>): Promise<Inventory>;
    /** Why the running cluster is not the one that the snapshot is of; undefined if it seems to be. */
    stranger(restored: Inventory, running: Inventory, index: number): string | undefined;
    /**
     * Replaces all that the running cluster knows by what the snapshot holds: for one that has lost its data, on new
     * machines.
     */
    restoreInto(running: Running, snapshot: string, say: (line: string) => void): Promise<void>;
}

/** A running cluster, and the way to its machines. */
export interface Running {
    environment: Record<string, string>;
    servers: readonly Remote[];
    /** Why others cannot be asked, by name. */
    silent: Readonly<Record<string, string>>;
}

/** A cluster makes keys when it is born: one that has none of the snapshot's is another. */
export function withoutCommonKey(kind: string): System["stranger"] {
    return (restored, running) => {
        const keys = ({ items }: Inventory) => items.filter((item) => item.kind === kind).map(({ id }) => id);
        const old = new Set(keys(restored));
        return old.size > 0 && !keys(running).some((id) => old.has(id))
            ? "they have no key in common"
            : undefined;
    };
}
