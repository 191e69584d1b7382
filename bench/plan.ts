import type { Lab, LifecycleAims } from "./lifecycle";
import { Lifecycle } from "./lifecycle";
import { describeEnvironment, type Figure, type Matrix, type Part, type Section } from "./report";

/** What a measure finds. */
export interface Found {
    figures?: Figure[];
    matrices?: Matrix[];
}

/** How much is measured. */
export interface Options {
    /** Just enough to see that it works; nothing to judge by. */
    short: boolean;
}

/** What is measured of one lab. */
export interface Plan<L extends Lab = Lab> {
    /** A driver for the lab's stack; nothing runs yet. */
    open(): L;
    aims: LifecycleAims;
    /** Writes the stack file. */
    configure(lab: L): void | Promise<void>;
    /** Waits until the lab does what it is for. */
    works(lab: L): Promise<void>;
    /** Measures of the running lab, in the order of the page. */
    measures: Record<string, (lab: L, options: Options) => Promise<Found>>;
}

/** Measures that need no lab: each brings what it needs, and takes it away again. */
export interface Parts {
    /** In the order of the page. */
    measures: Record<string, (options: Options) => Promise<Found>>;
}

/** The part that needs no running lab but the commands. */
export const lifecycle = "lifecycle";

/** The parts of a plan in the order of the page. */
export function partsOf(plan: Plan | Parts): string[] {
    return ["open" in plan ? [lifecycle] : [], Object.keys(plan.measures)].flat();
}

/** Does the chosen parts, of a lab or without one. */
export async function carryOut(
    name: string,
    plan: Plan | Parts,
    chosen: string[],
    options: Options,
): Promise<Section> {
    if ("open" in plan) {
        return carryOutOnLab(name, plan, chosen, options);
    }
    const section: Section = {};
    for (const part of chosen) {
        console.log(`${name}: ${part} …`);
        const environment = await describeEnvironment();
        const found = await attempt(part, () => plan.measures[part]?.(options));
        if (found !== undefined) {
            section[part] = { environment, figures: found.figures ?? [], matrices: found.matrices ?? [] };
        }
    }
    return section;
}

/**
 * Brings the lab up and down a few times and measures the last one while it runs. With chosen parts it does only
 * these, on a lab that comes up once.
 */
async function carryOutOnLab(name: string, plan: Plan, chosen: string[], options: Options): Promise<Section> {
    const repetitions = chosen.includes(lifecycle) && !options.short ? 3 : 1;
    const lab = plan.open();
    const section: Section = {};
    const keep = (part: string, { figures = [], matrices = [] }: Found, environment: Part["environment"]) => {
        section[part] = { environment, figures, matrices };
    };
    const environment = await describeEnvironment();
    const times = new Lifecycle(lab, plan.aims);
    await lab.stack.startAfresh();
    try {
        await plan.configure(lab);
        for (let n = 1; n <= repetitions; n += 1) {
            console.log(`${name}: up, preview and down, ${n} of ${repetitions}`);
            await times.up();
            await plan.works(lab);
            await times.preview();
            if (n === repetitions) {
                for (const part of chosen.filter((each) => each !== lifecycle)) {
                    console.log(`${name}: ${part} …`);
                    const found = await attempt(part, () => plan.measures[part]?.(lab, options));
                    if (found !== undefined) {
                        keep(part, found, environment);
                    }
                }
            }
            await times.down();
        }
        if (chosen.includes(lifecycle)) {
            keep(lifecycle, { figures: times.figures() }, environment);
        }
    } finally {
        await lab.stack.startAfresh();
    }
    return section;
}

/** One measure that fails must not cost the others. */
async function attempt(part: string, measure: () => Promise<Found> | undefined): Promise<Found | undefined> {
    try {
        return await measure();
    } catch (error) {
        console.error(`${part} failed:`, error);
        process.exitCode = 1;
        return undefined;
    }
}
