import { performance } from "node:perf_hooks";

import { startLoad } from "../tests/support/load";
import { pause } from "../tests/support/poll";
import type { Drill, Scene } from "./drill";
import { type Api, type Attempt, Ledger, longestSpell, lost, reasons } from "./ledger";
import { type DrilledLab, service } from "./lab";
import { type Measured, round } from "./report";
import { healthy } from "./restore";

/** Requests a second from outside, through the first client's balancer. */
export const rate = 50;

/** Milliseconds. */
const leadIn = 3000;
/** Agents need a moment to miss each other: a lab that looks healthy that long after the event was not hurt. */
const lookAround = 10_000;
/** Healthy once is not healthy yet. */
const steady = 5000;
const giveUp = 180_000;

const outside = "outside";

/** Does one drill under load, with everything measured, and puts the lab back into the state before it. */
export async function carryOut(drill: Drill, stage: Omit<Scene, "strike" | "mend">): Promise<Measured> {
    const { lab, journal, say } = stage;
    let struck = NaN;
    let mended = NaN;
    const scene: Scene = {
        ...stage,
        strike: async (machines, action) => {
            lab.hit = machines;
            struck = performance.now();
            mended = struck;
            await action();
        },
        mend: async (action) => {
            mended = performance.now();
            await action();
            if (drill.planned) {
                mended = performance.now();
            }
        },
    };
    journal.write({ drill: drill.name });
    await drill.prepare?.(scene);

    const ledger = new Ledger();
    const run = `${drill.name}-${Date.now()}`;
    const load = startLoad({
        url: `${lab.url}/`,
        headers: { host: `${service}.service` },
        rate,
        connections: 16,
        observe: (attempt) => ledger.requests.push({ ...attempt, place: outside }),
    });
    lab.begin(run, ledger);
    try {
        await pause(leadIn);
        await drill.happen(scene);
        const { at: healthyAt, missing } = await fullHealth(lab, ledger, mended, say);
        const over = performance.now();
        const hit = lab.hit;
        lab.hit = [];
        lab.end();
        await load.stop();
        const loss = await losses(lab, run, ledger);
        if (loss.length > 0) {
            say(`lost: ${loss.slice(0, 10).join(", ")}`);
        }
        say(missing.length === 0 ? "all is healthy" : `given up: ${missing.join("; ")}`);
        await drill.tidy?.(scene);
        if (missing.length === 0) {
            await healthy(lab, say);
        }
        await lab.forgetWritten();
        const leader = (api: Api) =>
            ledger.longestSilence(api, drill.leaderless?.includes(api) ? mended : struck, over);
        const onMachines = ledger.requests.filter(({ place }) => place !== outside && !hit.includes(place));
        return {
            drill,
            outside: counted(ledger.requests.filter(({ place }) => place === outside)),
            inside: counted(onMachines),
            longest: longestSpell([
                ...ledger.requests.filter(({ place }) => place === outside),
                ...onMachines,
            ]),
            leader: { consul: leader("consul"), nomad: leader("nomad") },
            health: seconds(healthyAt, mended),
            missing,
            written: ledger.acknowledged("consul").length + ledger.acknowledged("nomad").length,
            lost: loss.length,
        };
    } finally {
        lab.end();
        await load.stop();
    }
}

function counted(attempts: readonly Attempt[]): Measured["outside"] {
    const failed = attempts.filter(({ why }) => why !== undefined);
    return { requests: attempts.length, failed: failed.length, why: reasons(failed) };
}

function seconds(at: number | undefined, since: number): number | undefined {
    return at === undefined ? undefined : Math.max(0, at - since) / 1000;
}

/**
 * Waits until nothing is missing for a while, and says since when. Full health includes that every machine writes and
 * asks again; a machine that was hit, too.
 */
async function fullHealth(
    lab: DrilledLab,
    ledger: Ledger,
    mended: number,
    say: (text: string) => void,
): Promise<{ at?: number; missing: string[] }> {
    let since: number | undefined;
    let told = "";
    for (;;) {
        const asked = performance.now();
        const missing = await lab.missing();
        const works = lab.names.map((name) => ledger.works(name, mended));
        const silent = lab.names.filter((_, index) => works[index] === undefined);
        const complaints = [...missing, ...silent.map((name) => `nothing works yet on ${name}`)];
        if (complaints.length > 0) {
            since = undefined;
            const [first = ""] = complaints;
            if (first !== told) {
                const more = complaints.length > 1 ? ` (and ${complaints.length - 1} more)` : "";
                say(`${round((asked - mended) / 1000)} s: ${first}${more}`);
                told = first;
            }
        } else {
            // What a question finds was so when it was asked; some machine may have been later.
            since ??= asked;
            if (performance.now() - since > steady && performance.now() - mended > lookAround) {
                return { at: since, missing: [] };
            }
        }
        if (performance.now() - mended > giveUp) {
            return { missing: complaints.length > 0 ? complaints : ["it does not stay healthy"] };
        }
        await pause(250);
    }
}

/** The acknowledged writes that are not there, with the API that acknowledged them. */
async function losses(lab: DrilledLab, run: string, ledger: Ledger): Promise<string[]> {
    // Before it is looked what is there: a write that was under way at the end may be acknowledged meanwhile.
    const acknowledged = { consul: ledger.acknowledged("consul"), nomad: ledger.acknowledged("nomad") };
    const found = await lab.written(run);
    return (["consul", "nomad"] as const).flatMap((api) =>
        lost(acknowledged[api], found[api]).map((key) => `${api} ${key}`),
    );
}
