import type { Journal } from "./journal";
import type { Api } from "./ledger";
import type { DrilledLab } from "./lab";
import type { Machines } from "./machines";

/** What an event gets to work with, and how it says when it happens. */
export interface Scene {
    lab: DrilledLab;
    machines: Machines;
    journal: Journal;
    /** The stack's name. */
    stack: string;
    /** The machine that `prepare` has chosen, if the event needs one that is made ready first. */
    target?: string;
    /** Tells whoever watches. */
    say(text: string): void;
    /**
     * The event itself. Requests from the machines that it hits are not counted: nobody is there to make them.
     */
    strike(machines: readonly string[], action: () => Promise<unknown>): Promise<void>;
    /**
     * The end of the event's cause: the clock runs from the beginning of this action until all is healthy. Without it it
     * runs from the event; in planned events, which take the time that they take, from their end.
     */
    mend(action: () => Promise<unknown>): Promise<void>;
}

/** Something that happens to a lab. */
export interface Drill {
    /** What `ONLY` calls it. */
    name: string;
    /** The table's first column. */
    title: string;
    /** What is done, in a sentence, and what becomes of it: why requests fail, if any do. */
    what: string;
    /** Nothing may fail in a planned event. */
    planned: boolean;
    /** Whose leader cannot be there while the event lasts: the time without one counts from when it is mended. */
    leaderless?: readonly Api[];
    /** Makes the lab such that the event means something. Not measured. */
    prepare?(scene: Scene): Promise<void>;
    happen(scene: Scene): Promise<void>;
    /** Puts back what is not put back already when all is healthy again. Not measured. */
    tidy?(scene: Scene): Promise<void>;
}
