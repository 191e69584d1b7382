import { Rehearsal } from "../../rehearsal/rehearsal";

/** The stack that is rehearsed: its file as it is in the checkout. */
export const stack = "linode";

let open: Promise<Rehearsal> | undefined;

/** One rehearsal that all files of the lab's test share, on a platform without delays. */
export function rehearsal(): Promise<Rehearsal> {
    return (open ??= Rehearsal.open({ stack, speed: 0 }));
}

let up: Promise<Rehearsal> | undefined;

/** The same with the stack up. */
export function rehearsedLab(): Promise<Rehearsal> {
    return (up ??= rehearsal().then(async (one) => {
        if (one.inventory().length === 0) {
            await one.must("up");
        }
        return one;
    }));
}

/** Removes everything. */
export async function endRehearsal(): Promise<void> {
    const one = await open;
    open = undefined;
    up = undefined;
    await one?.close();
}
