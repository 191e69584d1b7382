import * as assert from "node:assert/strict";

import { request } from "../../tests/support/http";
import { withLoad } from "../../tests/support/load";
import type { NomadLab } from "../../tests/support/nomad-lab";
import { eventually } from "../../tests/support/poll";
import { failedRequests } from "../failures";
import type { Figure } from "../report";

const name = "demo-webapp";
const rate = 200;

/** The part of Nomad's job that is changed here. */
interface Group {
    /** Nanoseconds. */
    ShutdownDelay: number;
    Update: Record<string, unknown>;
    Tasks: { Env: Record<string, string> }[];
}

interface Job {
    Version: number;
    TaskGroups: Group[];
}

/**
 * Requests that fail while the instances are replaced one by one under steady load, by how long an instance that
 * Consul has forgotten goes on to run (`shutdown_delay`). The lab itself changes blue/green: here the job is registered
 * anew with another `update` block, as one without room for a second set would be. The lab is as before in the end.
 *
 * @param delays in seconds
 */
export async function measureRolling(
    lab: NomadLab,
    discovery: "dns" | "events",
    { instances, delays }: { instances: number; delays: number[] },
): Promise<Figure[]> {
    const figures: Figure[] = [];
    try {
        await lab.change({ webapp: { count: instances }, discovery });
        for (const delay of delays) {
            await prepare(lab, instances, delay);
            const before = await attempts(lab);
            const { report } = await withLoad({ url: lab.url("webapp"), rate, settleMs: 1000 }, () =>
                roll(lab, instances, `${discovery} ${delay}`),
            );
            const again = (await attempts(lab)) - before;
            const what = `${discovery}: failed requests while ${instances} instances are replaced one by one, shutdown_delay ${delay} s`;
            const aimed = discovery === "events" && delay >= 1;
            const figure = failedRequests(what, report, { rate, ...(aimed ? { atMost: 0 } : {}) });
            figures.push({ ...figure, note: `${figure.note}; HAProxy tried again ${again} times` });
        }
    } finally {
        await lab.change({ webapp: undefined, discovery: undefined });
    }
    return figures;
}

/** Says how instances are to stop from now on, which replaces none. */
async function prepare(lab: NomadLab, instances: number, delay: number): Promise<void> {
    await register(lab, instances, (group) => {
        group.ShutdownDelay = delay * 1e9;
        // Ten of them one after the other take long enough: an instance that is healthy is at once well enough.
        Object.assign(group.Update, { Canary: 0, AutoPromote: false, MaxParallel: 1, MinHealthyTime: 1e8 });
    });
    await lab.balances(instances);
}

/** Replaces every instance. */
async function roll(lab: NomadLab, instances: number, message: string): Promise<void> {
    await register(lab, instances, (group) => {
        for (const task of group.Tasks) {
            task.Env["NAME"] = message;
        }
    });
    await lab.balances(instances);
    assert.equal((await lab.greeting()).message, `Hello from ${message}`);
}

/** How often HAProxy has tried a request again so far, with the same instance or another. */
async function attempts(lab: NomadLab): Promise<number> {
    const { body } = await request(`${lab.url("haproxyStats")}/;csv`, { auth: lab.statsAuth });
    return parseAttempts(body, "webapp");
}

/** Reads it from HAProxy's statistics. Pure. */
export function parseAttempts(csv: string, backend: string): number {
    const [head, ...rows] = csv.split("\n").map((line) => line.replace(/^# /, "").split(","));
    const row = rows.find(([name, server]) => name === backend && server === "BACKEND");
    const values = ["wretr", "wredis"].map((name) => Number(row?.[head?.indexOf(name) ?? -1]));
    if (values.some(Number.isNaN)) {
        throw new Error(`no retries of ${backend} in:\n${csv}`);
    }
    return values.reduce((sum, value) => sum + value, 0);
}

/** Registers the job that runs with something changed, and waits until only instances of the new version run. */
async function register(lab: NomadLab, instances: number, change: (group: Group) => void): Promise<void> {
    const read = () => lab.nomad<Job>(`/v1/job/${name}`);
    const job = await read();
    job.TaskGroups.forEach(change);
    await lab.nomad("/v1/jobs", { method: "POST", body: { Job: job } });
    // The same as before, if nothing was to be changed.
    const { Version } = await read();
    await eventually(
        "only instances of the new version run",
        async () => {
            const versions = (await lab.running(name)).map(({ JobVersion }) => JobVersion);
            assert.deepEqual(versions, Array<number>(instances).fill(Version));
        },
        { within: 180 },
    );
}
