import { performance } from "node:perf_hooks";

import { docker, removeLeftovers } from "../../tests/support/docker";
import type { EtcdLab } from "../../tests/support/etcd-lab";
import { eventually, pause } from "../../tests/support/poll";
import { imageReference } from "../../toolchain/images";
import type { Figure } from "../report";
import { median, quantile } from "../statistics";
import { Watcher } from "../template/watcher";
import { Store } from "./store";

const label = "bench-etcd-probe";
/** The most instances that one machine may run here: their ports are believed, and the last one is the probe's. */
const perMachine = 10;

/** A form of discovery, how often it is tried, and how long an answer may come that should not. */
export interface Form {
    discovery: "interval" | "watch" | "events";
    trials: number;
    settleMs: number;
}

/**
 * From the moment at which a key is written to the first answer of its instance through HAProxy, and from its removal to
 * the last. The instance is always there, so that nothing but discovery is measured.
 */
export async function measurePropagation(lab: EtcdLab, forms: Form[]): Promise<Figure[]> {
    const figures: Figure[] = [];
    try {
        for (const form of forms) {
            await lab.change({ discovery: form.discovery, webapp: { perMachine } });
            figures.push(...(await measureForm(lab, form)));
        }
    } finally {
        await lab.change({ discovery: undefined, webapp: undefined });
    }
    return figures;
}

async function measureForm(lab: EtcdLab, { discovery, trials, settleMs }: Form): Promise<Figure[]> {
    const port = 9000 + perMachine - 1;
    const key = "/apps/webapp/webapp@99.service";
    const value = `webapp-99 ${lab.address("web-1")}:${port}`;
    const url = `${lab.url("webapp")}/`;
    await removeLeftovers(label);
    await startProbe(lab.stack.object("web-1"), port);
    const store = await Store.open(lab);
    const watcher = new Watcher("probe", url);
    const registered: number[] = [];
    const deregistered: number[] = [];
    try {
        for (let trial = 0; trial < trials; trial += 1) {
            await pause(500 + Math.random() * Math.min(settleMs, 5000));
            const added = performance.now();
            await store.put(key, value);
            await eventually("the instance answers", () => firstAnswer(watcher, url, added), {
                within: 60,
                every: 20,
            });
            registered.push((firstAnswer(watcher, url, added) - added) / 1000);
            await pause(500 + Math.random() * Math.min(settleMs, 5000));
            const removed = performance.now();
            await store.delete(key);
            await pause(settleMs);
            const last = watcher.between(url, removed, Infinity).at(-1) ?? removed;
            deregistered.push((last - removed) / 1000);
        }
    } finally {
        await watcher.stop();
        await store.delete(key).catch(() => undefined);
        store.close();
        await removeLeftovers(label);
    }
    return [
        ...figuresOf(
            `${discovery}: from registration to the first request`,
            registered,
            watcher.failures(url),
        ),
        ...figuresOf(`${discovery}: from deregistration to the last request`, deregistered),
    ];
}

function firstAnswer(watcher: Watcher, url: string, since: number): number {
    const [first] = watcher.between(url, since, Infinity);
    if (first === undefined) {
        throw new Error("no answer of it yet");
    }
    return first;
}

function figuresOf(what: string, samples: number[], note?: string): Figure[] {
    const common = { unit: "s", samples: samples.length } as const;
    const slowest = `slowest ${Math.max(...samples).toFixed(3)} s`;
    return [
        { ...common, what, value: median(samples), ...(note && { note }) },
        { ...common, what: `${what}, p99`, value: quantile(samples, 0.99), note: slowest },
    ];
}

/** A web server in a machine's network namespace. */
async function startProbe(container: string, port: number): Promise<void> {
    const server =
        `require("node:http").createServer((request, response) => {` +
        `response.setHeader("X-Instance", "probe"); response.end("ok\\n"); }).listen(${port});`;
    await docker(
        ...[
            "run",
            "--detach",
            "--name",
            "gatehouse-bench-etcd-probe",
            "--label",
            `dev.gatehouse.stack=${label}`,
        ],
        ...["--network", `container:${container}`, "--entrypoint", "/usr/bin/node", imageReference("node")],
        ...["-e", server],
    );
}
