import { performance } from "node:perf_hooks";

import { eventually, pause } from "../../tests/support/poll";
import type { Watcher } from "../template/watcher";
import type { Consul, Instance } from "./consul";
import type { Witness } from "./witness";

/** Milliseconds from the start of a call to Consul. */
export interface Way {
    /** To its end. */
    call: number;
    /** To the answer of a blocking query that was open beside the balancer's own. */
    consul: number;
    /** To the first, or last, answer of the instance through the balancer. */
    request: number;
}

/** What one coming and going of an instance took. */
export interface Trial {
    join: Way;
    leave: Way;
}

/** Lets the instance come, waits for its first request, lets it go, and waits for its last. */
export async function play(
    consul: Consul,
    instance: Instance,
    url: string,
    { watcher, witness }: { watcher: Watcher; witness: Witness },
): Promise<Trial> {
    const answers = (from: number) => watcher.between(url, from, Infinity);

    // Random waits: in step with something that repeats, every trial would measure the same phase.
    await pause(300 + Math.random() * 500);
    const joined = performance.now();
    await consul.register(instance);
    const registered = performance.now();
    const first = await eventually("the instance answers", () => one(answers(joined)[0]), {
        within: 30,
        every: 20,
    });

    await pause(200 + Math.random() * 500);
    const left = performance.now();
    const requests = watcher.tally(url).requests;
    await consul.deregister(instance);
    const deregistered = performance.now();
    const last = await eventually(
        "the instance answers no more",
        () => {
            const latest = answers(left).at(-1) ?? left;
            // Others have to answer meanwhile: a balancer that stands still says nothing.
            if (performance.now() - latest < 500 || watcher.tally(url).requests - requests < 50) {
                throw new Error(`it answered ${(performance.now() - latest).toFixed(0)} ms ago`);
            }
            return latest;
        },
        { within: 60, every: 50 },
    );
    return {
        join: {
            call: registered - joined,
            consul: one(witness.first(true, joined, left)) - joined,
            request: first - joined,
        },
        leave: {
            call: deregistered - left,
            consul: one(witness.first(false, left, Infinity)) - left,
            request: last - left,
        },
    };
}

function one(at: number | undefined): number {
    if (at === undefined || Number.isNaN(at)) {
        throw new Error("it has not been seen");
    }
    return at;
}
