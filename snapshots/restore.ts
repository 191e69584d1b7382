import { UserError } from "../toolchain/errors";
import { compare, complete, type Row, table } from "./compare";
import { type Opened, open } from "./envelope";
import { Fleet } from "./fleet";
import { newest } from "./names";
import { PrivateFolder } from "./private-folder";
import type { Cluster } from "./stack";
import type { Found } from "./store";
import type { Inventory, Running, System } from "./system";
import { systemsNamed } from "./systems";

export interface RestoreOptions {
    /** The newest snapshots that are not younger than this, e.g. `20261121T192400Z`. Default: the newest of all. */
    from?: string;
    /** `running` replaces the running cluster's data; anything else is an error. Default: nothing is changed. */
    into?: string;
    /** The stack's name, said again by whoever wants to replace data. */
    confirmed?: string;
}

/** A system and what is known of it by now. */
interface Candidate extends Opened {
    system: System;
    /** What a throwaway server knows after the restore. */
    restored: Inventory;
}

type Say = (line: string) => void;

/**
 * `make restore`: decrypts the newest snapshots, restores them into throwaway servers on this computer and compares what
 * these know with the running cluster. With `into` the running cluster gets them, too.
 *
 * @throws UserError when there is no snapshot, or it cannot be read, or lacks something, or is overdue
 */
export async function restore(
    cluster: Cluster,
    options: RestoreOptions,
    say: Say = console.log,
): Promise<void> {
    const systems = systemsNamed(cluster.systems);
    refuseOptions(cluster, systems, options);
    const fleet = await Fleet.ask(cluster);
    const folder = new PrivateFolder();
    try {
        fleet.warnings.forEach((warning) => say(`warning: ${warning}`));
        const chosen = choose(cluster, fleet, options);
        const keyFile = folder.write("key.pem", cluster.keyPem);
        const opened: (Opened & { system: System })[] = [];
        for (const system of systems) {
            const found = chosen[system.name]!;
            const each = open(system, await fleet.store.bring(found), keyFile, folder);
            opened.push({ system, ...each });
            say(`${system.name}: ${found.name}, index ${each.index}`);
        }
        const candidates = await rehearse(cluster, opened, folder);
        if (options.into === undefined) {
            judge(fleet, candidates, await inventories(cluster, systems, say), say);
        } else {
            await replace(cluster, fleet, candidates, say);
        }
    } finally {
        fleet.close();
        folder.close();
    }
}

function refuseOptions(
    { stack, keyPem }: Cluster,
    systems: readonly System[],
    { from, into, confirmed }: RestoreOptions,
): void {
    if (!keyPem.includes("PRIVATE KEY")) {
        throw new UserError(`the outputs of ${stack} have no key`, `run "make up STACK=${stack}"`);
    }
    if (from !== undefined && !/^\d{8}T\d{6}Z$/.test(from)) {
        throw new UserError(
            `FROM=${from} is no moment`,
            "give the time as snapshots' names begin with, e.g. FROM=20261121T192400Z",
        );
    }
    if (into !== undefined && into !== "running") {
        throw new UserError(`INTO=${into}: there is no such place`, "INTO=running is the running cluster");
    }
    const names = systems.map(({ name }) => name).join(" and ");
    if (into !== undefined && (from === undefined || confirmed !== stack)) {
        throw new UserError(
            `INTO=running replaces everything that the running ${names} know`,
            `say which snapshots, since the newest may be of a cluster that is empty already, and the stack's name once more: make restore STACK=${stack} INTO=running FROM=20261121T192400Z CONFIRM=${stack}`,
        );
    }
}

function choose({ stack, systems }: Cluster, fleet: Fleet, { from }: RestoreOptions): Record<string, Found> {
    const { all } = fleet;
    const found = systems.map((name) => [name, newest(all, name, from)] as const);
    const without = found.filter(([, each]) => each === undefined).map(([name]) => name);
    if (without.length > 0) {
        const known = [...new Set(all.map(({ stamp }) => stamp))].sort().slice(-10);
        throw new UserError(
            `there is no snapshot of ${without.join(" and ")}${from === undefined ? "" : ` from ${from} or before`}, neither on the servers nor on this computer`,
            known.length > 0
                ? `there are some from ${known.join(", ")}`
                : `"make snapshot STACK=${stack}" takes one; the first by the timer comes five minutes after "make up"`,
        );
    }
    return Object.fromEntries(found) as Record<string, Found>;
}

/** Restores into throwaway servers, side by side. */
function rehearse(
    { datacenter, environment }: Cluster,
    opened: readonly (Opened & { system: System })[],
    folder: PrivateFolder,
): Promise<Candidate[]> {
    return Promise.all(
        opened.map(async (each) => ({
            ...each,
            restored: await each.system.rehearse(each.path, { datacenter, environment, folder }),
        })),
    );
}

/** What the running clusters know, by name; without those that cannot be asked. */
async function inventories(
    { environment }: Cluster,
    systems: readonly System[],
    say: Say,
): Promise<Record<string, Inventory>> {
    const answers = await Promise.allSettled(systems.map((system) => system.running(environment)));
    const known: Record<string, Inventory> = {};
    for (const [place, { name }] of systems.entries()) {
        const answer = answers[place]!;
        if (answer.status === "fulfilled") {
            known[name] = answer.value;
        } else {
            say(`warning: the running ${name} cannot be asked: ${(answer.reason as Error).message}`);
        }
    }
    return known;
}

function rows({ system, index, restored }: Candidate, running: Inventory | undefined): Row[] {
    const stranger = running && system.stranger(restored, running, index);
    if (stranger !== undefined) {
        throw new UserError(
            `the running ${system.name} is not the one that the snapshot was taken of: ${stranger}`,
            "a cluster that was made anew has snapshots of its own from the next one on; to give it the old one's data, see docs/snapshots.md",
        );
    }
    return compare(restored.items, running?.items ?? [], index, restored.counts);
}

function judge(
    fleet: Fleet,
    candidates: readonly Candidate[],
    running: Record<string, Inventory>,
    say: Say,
): void {
    const all = candidates.flatMap((each) => rows(each, running[each.system.name]));
    const compared = candidates.every(({ system }) => running[system.name] !== undefined);
    say(`\n${table(all, compared)}\n`);
    const overdue = fleet.overdue();
    if (!compared) {
        say("the snapshots can be restored; they could not be compared with the running cluster");
        return;
    }
    if (!complete(all)) {
        const lines = all.flatMap(({ kind, missing, different }) => [
            ...missing.map((id) => `${kind}: ${id} is missing`),
            ...different.map((id) => `${kind}: ${id} is different`),
        ]);
        throw new UserError(
            `the snapshots lack what the running cluster had before them:\n    ${lines.slice(0, 50).join("\n    ")}`,
            'take another ("make snapshot"), rehearse again, and look into it if that is so again',
        );
    }
    say("all that the running cluster knew when the snapshots were taken is there after a restore");
    if (overdue.length > 0) {
        throw new UserError(
            overdue.join("\n    "),
            "on the servers: systemctl status gatehouse-snapshot.timer, journalctl -u gatehouse-snapshot",
        );
    }
}

/** The running cluster gets the snapshots; what it knew before is kept as snapshots of its own. */
async function replace(
    cluster: Cluster,
    fleet: Fleet,
    candidates: readonly Candidate[],
    say: Say,
): Promise<void> {
    say("they can be restored. Before the running cluster gets them, it is saved itself:");
    await fleet.take();
    for (const { system } of candidates) {
        const now = newest(fleet.remote, system.name);
        say(
            now === undefined
                ? `${system.name}: cannot be saved`
                : `${system.name}: ${await fleet.store.bring(now)}`,
        );
    }
    const target: Running = {
        environment: cluster.environment,
        servers: fleet.reports.map(({ server }) => server),
        silent: fleet.silent,
    };
    for (const { system, path } of candidates) {
        await system.restoreInto(target, path, say);
    }
    const systems = candidates.map(({ system }) => system);
    const running = await inventories(cluster, systems, say);
    const all = candidates.flatMap(({ system, restored }) =>
        compare(restored.items, running[system.name]?.items ?? [], 0),
    );
    say(`\n${table(all, true)}\n`);
    say(
        `done. "make up STACK=${cluster.stack} REFRESH=1" puts tokens, users, jobs and settings right that are newer than the snapshots`,
    );
}
