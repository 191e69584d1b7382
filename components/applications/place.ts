import { type ArgumentProblem, countProblem, refuseArguments } from "../security/arguments";
import { type MachineMetadata, satisfies } from "./metadata";

export interface PlaceableMachine {
    /** Ends in a number from 1 up, e.g. `web-2`. */
    name: string;
    metadata: MachineMetadata;
}

export interface PlaceArgs {
    /** The application, for errors. */
    name: string;
    /** Instances 1 to this number. */
    instances: number;
    machines: readonly PlaceableMachine[];
    /** What a machine's metadata must say. Default: nothing. */
    requires?: MachineMetadata;
    /** The most that one machine runs. Default: 1. */
    perMachine?: number;
}

/**
 * The instances of each machine that fulfils `requires`, in ascending order: spread evenly, instance n on the machine
 * with number n where there are as many. Pure, and without a memory: the number in a machine's name is its place in a row
 * without gaps. A machine that is put at the end of the row takes instances away from others, as few as make it even, and
 * moves no others; one that is removed, wherever it stood, moves those that it had. (Another number of instances moves
 * none while there is a machine for each.)
 *
 * @throws pulumi.InputPropertiesError when there is not enough room, or a name has no number of its own.
 */
export function place(args: PlaceArgs): Map<string, number[]> {
    const { instances, machines, requires = {} } = args;
    const suitable = machines.filter(({ metadata }) => satisfies(metadata, requires));
    const names = new Map(suitable.map(({ name }): [number, string] => [numberOf(name), name]));
    refuse(args, suitable, names.size);

    // As if there had been a machine for each instance, and those at the end had gone, one after the other.
    const row = new Map(count(Math.max(instances, ...names.keys())).map((each) => [each, [] as number[]]));
    count(instances).forEach((instance) => row.get(instance)!.push(instance));
    for (let last = row.size; last > Math.max(...names.keys()); last--) {
        leave(row, [last]);
    }
    // The gaps after that: who is not in one stays where he would be without them.
    leave(
        row,
        [...row.keys()].filter((each) => !names.has(each)),
    );
    return new Map([...row].map(([each, own]) => [names.get(each)!, own.sort((a, b) => a - b)]));
}

/** These places go: what they have goes, one after the other, to those of the others that have least. */
function leave(row: Map<number, number[]>, places: readonly number[]): void {
    const homeless = places.flatMap((each) => row.get(each)!);
    places.forEach((each) => row.delete(each));
    for (const instance of homeless) {
        const [first, ...others] = row.values();
        others.reduce((least, each) => (each.length < least.length ? each : least), first!).push(instance);
    }
}

function count(to: number): number[] {
    return Array.from({ length: to }, (_, index) => index + 1);
}

function numberOf(name: string): number {
    return Number(/[0-9]{1,4}$/.exec(name)?.[0] ?? 0);
}

function refuse(args: PlaceArgs, suitable: readonly PlaceableMachine[], numbers: number): void {
    const { name, instances, requires = {}, perMachine = 1 } = args;
    const problems: ArgumentProblem[] = [
        ...countProblem("instances", instances),
        ...countProblem("perMachine", perMachine),
    ];
    const wanted = Object.entries(requires)
        .map(([key, value]) => ` ${key}=${value}`)
        .join("");
    const names = suitable.map((machine) => machine.name).join(", ");
    if (suitable.some((machine) => numberOf(machine.name) === 0) || numbers < suitable.length) {
        problems.push({
            propertyPath: "machines",
            reason: `must have names that end in numbers from 1 to 9999, each in one of its own, so that instances stay where they are when machines come and go; there are ${names}`,
        });
    }
    if (instances > suitable.length * perMachine) {
        const there = suitable.length === 0 ? "none" : names;
        problems.push({
            propertyPath: "instances",
            reason: `${instances} do not fit, with ${perMachine} at most on each machine${wanted && ` whose metadata say${wanted}`} (${there}): add machines, raise perMachine, or ask for fewer`,
        });
    }
    refuseArguments(`the application ${name}`, problems);
}
