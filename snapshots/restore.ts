import { UserError } from "../toolchain/errors";
import type { Api } from "./api";
import { compare, complete, type Item, type Row, table } from "./compare";
import { type Opened, open } from "./envelope";
import { Fleet, sources } from "./fleet";
import { restoreInto } from "./into";
import { consulInventory, nomadInventory } from "./inventory";
import { newest } from "./names";
import { PrivateFolder } from "./private-folder";
import { type RehearsalArgs, Throwaway } from "./rehearsal";
import { type Cluster, runningApis } from "./stack";
import type { Found } from "./store";

export interface RestoreOptions {
    /** The newest snapshots that are not younger than this, e.g. `20261121T192400Z`. Default: the newest of all. */
    from?: string;
    /** `running` replaces the running cluster's data; anything else is an error. Default: nothing is changed. */
    into?: string;
    /** The stack's name, said again by whoever wants to replace data. */
    confirmed?: string;
}

type Source = (typeof sources)[number];
type Chosen = Record<Source, Found>;
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
    refuseOptions(cluster, options);
    const fleet = await Fleet.ask(cluster);
    const folder = new PrivateFolder();
    try {
        fleet.warnings.forEach((warning) => say(`warning: ${warning}`));
        const chosen = choose(cluster, fleet, options);
        const keyFile = folder.write("key.pem", cluster.keyPem);
        const opened = {} as Record<Source, Opened>;
        for (const source of sources) {
            const file = await fleet.store.bring(chosen[source]);
            opened[source] = open(source, file, keyFile, folder);
            say(`${source}: ${chosen[source].name}, index ${opened[source].index}`);
        }
        const restored = await rehearse(cluster, opened, folder);
        if (options.into === undefined) {
            const running = await inventories(runningApis(cluster), say);
            judge(
                fleet,
                sources.flatMap((source) => rows(source, restored, running, opened)),
                running,
                say,
            );
        } else {
            await replace(cluster, fleet, restored, opened, say);
        }
    } finally {
        fleet.close();
        folder.close();
    }
}

function refuseOptions({ stack, keyPem }: Cluster, { from, into, confirmed }: RestoreOptions): void {
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
    if (into !== undefined && (from === undefined || confirmed !== stack)) {
        throw new UserError(
            "INTO=running replaces everything that the running Consul and Nomad know",
            `say which snapshots, since the newest may be of a cluster that is empty already, and the stack's name once more: make restore STACK=${stack} INTO=running FROM=20261121T192400Z CONFIRM=${stack}`,
        );
    }
}

function choose({ stack }: Cluster, fleet: Fleet, { from }: RestoreOptions): Chosen {
    const { all } = fleet;
    const found = sources.map((source) => [source, newest(all, source, from)] as const);
    const without = found.filter(([, each]) => each === undefined).map(([source]) => source);
    if (without.length > 0) {
        const known = [...new Set(all.map(({ stamp }) => stamp))].sort().slice(-10);
        throw new UserError(
            `there is no snapshot of ${without.join(" and ")}${from === undefined ? "" : ` from ${from} or before`}, neither on the servers nor on this computer`,
            known.length > 0
                ? `there are some from ${known.join(", ")}`
                : `"make snapshot STACK=${stack}" takes one; the first by the timer comes five minutes after "make up"`,
        );
    }
    return Object.fromEntries(found) as Chosen;
}

/** What throwaway servers know after the restore. */
async function rehearse(
    { datacenter, environment }: Cluster,
    opened: Record<Source, Opened>,
    folder: PrivateFolder,
): Promise<Record<Source, Item[]>> {
    const tokens = {
        consul: environment["CONSUL_HTTP_TOKEN"] ?? "",
        nomad: environment["NOMAD_TOKEN"] ?? "",
    };
    const args: RehearsalArgs = { datacenter, tokens, folder };
    const [consul, nomad] = await Promise.all([Throwaway.consul(args), Throwaway.nomad(args)]);
    await Promise.all([consul.restore(opened.consul.path), nomad.restore(opened.nomad.path)]);
    return { consul: await consulInventory(consul.api), nomad: await nomadInventory(nomad.api) };
}

/** What the running clusters know; undefined for one that cannot be asked. */
async function inventories(
    { consul, nomad }: { consul: Api; nomad: Api },
    say: Say,
): Promise<Partial<Record<Source, Item[]>>> {
    const [first, second] = await Promise.allSettled([consulInventory(consul), nomadInventory(nomad)]);
    const known = (source: Source, settled: PromiseSettledResult<Item[]>) => {
        if (settled.status === "fulfilled") {
            return { [source]: settled.value };
        }
        say(`warning: the running ${source} cannot be asked: ${(settled.reason as Error).message}`);
        return {};
    };
    return { ...known("consul", first), ...known("nomad", second) };
}

function rows(
    source: Source,
    restored: Record<Source, Item[]>,
    running: Partial<Record<Source, Item[]>>,
    opened: Record<Source, Opened>,
): Row[] {
    const known = running[source];
    if (known !== undefined && isAnother(restored[source], known)) {
        throw new UserError(
            `the running ${source} is not the one that the snapshot was taken of: they have no key in common`,
            "a cluster that was made anew has snapshots of its own from the next one on; to give it the old one's data, see docs/snapshots.md",
        );
    }
    return compare(restored[source], known ?? [], opened[source].index);
}

/** A cluster makes its keys when it is born: the mesh's authority, and those that sign identities. */
function isAnother(restored: Item[], running: Item[]): boolean {
    const keys = (items: Item[]) =>
        items.filter(({ kind }) => /CA roots|keys of identities/.test(kind)).map(({ id }) => id);
    const old = new Set(keys(restored));
    return old.size > 0 && !keys(running).some((id) => old.has(id));
}

function judge(fleet: Fleet, all: Row[], running: Partial<Record<Source, Item[]>>, say: Say): void {
    const compared = Object.keys(running).length === sources.length;
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
    restored: Record<Source, Item[]>,
    opened: Record<Source, Opened>,
    say: Say,
): Promise<void> {
    say("they can be restored. Before the running cluster gets them, it is saved itself:");
    await fleet.take();
    for (const source of sources) {
        const now = newest(fleet.remote, source);
        say(now === undefined ? `${source}: cannot be saved` : `${source}: ${await fleet.store.bring(now)}`);
    }
    const apis = runningApis(cluster);
    await restoreInto(apis, { consul: opened.consul.path, nomad: opened.nomad.path }, say);
    const running = await inventories(apis, say);
    say(
        `\n${table(
            sources.flatMap((source) => compare(restored[source], running[source] ?? [], 0)),
            true,
        )}\n`,
    );
    say(
        `done. "make up STACK=${cluster.stack} REFRESH=1" puts tokens, jobs and settings right that are newer than the snapshots`,
    );
}
