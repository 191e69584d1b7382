import { writeFileSync } from "node:fs";

import { eventually } from "../tests/support/poll";
import { stackFile } from "../toolchain/stackfile";
import { allow } from "./events/planned";
import type { Journal } from "./journal";
import type { DrilledLab } from "./lab";
import { putBack } from "./scripts";
import { interruptUp, up } from "./up";

/** Seconds. Longer than any drill allows for: what was interrupted may have to boot first. */
const patience = 240;

/**
 * Puts everything back that a drill may have left: what it finds on the machines counts, not how far the drill says that
 * it got. May run at any time and any number of times while the journal is open; closes it.
 *
 * @throws with what is missing when the lab does not get healthy
 */
export async function restore(
    stack: string,
    lab: DrilledLab,
    journal: Journal,
    say: (text: string) => void,
): Promise<void> {
    const entry = journal.open();
    if (entry === undefined) {
        return;
    }
    lab.hit = [];
    lab.end();
    await interruptUp();
    await Promise.all(lab.names.map((name) => putBackOn(lab, name, say)));
    if (entry.stackFile !== undefined) {
        say("the stack file is as it was; make up");
        writeFileSync(stackFile(stack), entry.stackFile);
        await healthy(lab, say);
        await up(stack);
    }
    if (entry.drained !== undefined) {
        const { drained } = entry;
        await eventually(`${drained} may run jobs`, () => allow(lab, drained), { within: 60, every: 1000 });
    }
    await healthy(lab, say);
    await lab.forgetWritten();
    journal.close();
}

/** Waits until nothing is missing. */
export async function healthy(lab: DrilledLab, say: (text: string) => void): Promise<void> {
    let told = false;
    await eventually(
        "the lab is healthy",
        async () => {
            const missing = await lab.missing();
            if (missing.length > 0) {
                if (!told) {
                    say("waiting until the lab is healthy");
                    told = true;
                }
                throw new Error(missing.join("; "));
            }
        },
        { within: patience, every: 1000 },
    );
}

async function putBackOn(lab: DrilledLab, name: string, say: (text: string) => void): Promise<void> {
    const { machines } = lab;
    const state = await machines.state(name);
    if (state === "paused") {
        say(`${name} goes on`);
        await machines.resume(name);
    } else if (state === "stopped") {
        say(`${name} is switched on`);
        await machines.start(name);
    }
    // A machine that boots has no systemd to talk to for a moment.
    await eventually(`${name} is put back`, () => machines.run(name, putBack), { within: 60, every: 1000 });
}
