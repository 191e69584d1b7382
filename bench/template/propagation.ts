import { performance } from "node:perf_hooks";

import { docker, removeLeftovers } from "../../tests/support/docker";
import { request } from "../../tests/support/http";
import { eventually, pause } from "../../tests/support/poll";
import { imageReference } from "../../toolchain/images";
import type { ContainerLab } from "../container-lab";
import type { Figure } from "../report";
import { median, quantile } from "../statistics";
import { startBare } from "./bare";
import { Catalogue, type Instance } from "./catalogue";
import { Watcher } from "./watcher";

const label = "bench-probe";
const probe = "bench-probe";
const probePort = 19_999;
const aim = 0.15;

/** Something that happened to the probe: it should answer from then on, or no more. */
interface Event {
    kind: "register" | "deregister" | "critical" | "passing";
    at: number;
}

/** A balancer, and the probe as it knows it. */
interface Target {
    url: string;
    instance: Instance;
    events: Event[];
}

/**
 * From a write to Consul's catalogue to the first, or the last, answer of an instance through the lab's HAProxy; beside
 * it the same through a bare consul-template, in turn. The instance is always there, so that nothing but discovery is
 * measured; each balancer has a service of its own, so that a change for one leaves the other alone.
 */
export async function measurePropagation(lab: ContainerLab, trials: number): Promise<Figure[]> {
    await removeLeftovers(label);
    const catalogue = new Catalogue(lab.url("consul"));
    const { network, address } = await lab.placeOf("web1");
    const consul = await lab.placeOf("consul");
    try {
        await startProbe(lab.stack.object("web1"));
        const always: Instance = { id: "bench-always", service: "bench-web", address, port: probePort + 1 };
        await catalogue.register(always);
        const bareUrl = await startBare({
            name: "gatehouse-bench-bare",
            label,
            network,
            consul: `http://${consul.address}:8500`,
            service: always.service,
        });
        await eventually("the bare consul-template's HAProxy answers", async () => {
            if ((await request(bareUrl)).status !== 200) {
                throw new Error("not yet");
            }
        });
        const target = (url: string, service: string): Target => ({
            url,
            instance: { id: `${probe}-${service}`, service, address, port: probePort },
            events: [],
        });
        const own = target(lab.url("webapp"), "web");
        const bare = target(bareUrl, always.service);
        const watcher = new Watcher(probe, own.url);
        try {
            for (let trial = 0; trial < trials; trial += 1) {
                for (const each of [own, bare]) {
                    await play(catalogue, watcher, each);
                }
            }
        } finally {
            await watcher.stop();
        }
        return [...figures("", own, watcher, aim), ...figures("bare consul-template: ", bare, watcher)];
    } finally {
        await catalogue.forget().catch(() => undefined);
        await removeLeftovers(label);
    }
}

async function play(catalogue: Catalogue, watcher: Watcher, target: Target): Promise<void> {
    watcher.turnTo(target.url);
    const { instance } = target;
    const steps: [Event["kind"], () => Promise<void>][] = [
        ["register", () => catalogue.register(instance)],
        ["critical", () => catalogue.judge(instance, "critical")],
        ["passing", () => catalogue.judge(instance, "passing")],
        ["deregister", () => catalogue.deregister(instance)],
    ];
    for (const [kind, write] of steps) {
        // A random wait: in step with something else that repeats, every trial would measure the same phase.
        await pause(500 + Math.random() * 500);
        const at = performance.now();
        target.events.push({ kind, at });
        await write();
        if (kind === "register" || kind === "passing") {
            await eventually(
                "the instance answers",
                () => {
                    if (watcher.between(target.url, at, Infinity).length === 0) {
                        throw new Error("no answer of it yet");
                    }
                },
                { within: 20, every: 20 },
            );
        }
    }
    // Long enough to see an answer that should not come.
    await pause(1000);
}

function figures(prefix: string, { url, events }: Target, watcher: Watcher, atMost?: number): Figure[] {
    const times = (kinds: Event["kind"][], pick: (answers: number[], at: number) => number) =>
        events.flatMap(({ kind, at }, n) =>
            kinds.includes(kind)
                ? [(pick(watcher.between(url, at, events[n + 1]?.at ?? Infinity), at) - at) / 1000]
                : [],
        );
    const first = (answers: number[]) => answers[0] ?? NaN;
    const last = (answers: number[], at: number) => answers.at(-1) ?? at;
    const rows: [string, number[]][] = [
        ["from registration to the first request", times(["register"], first)],
        ["from deregistration to the last request", times(["deregister"], last)],
        ["from the verdict “passing” to the first request", times(["passing"], first)],
        ["from the verdict “critical” to the last request", times(["critical"], last)],
    ];
    return rows.flatMap(([what, samples], n): Figure[] => {
        const common = { unit: "s", samples: samples.length } as const;
        const note = `slowest ${Math.max(...samples).toFixed(3)} s`;
        return [
            {
                ...common,
                what: prefix + what,
                value: median(samples),
                ...(n === 0 ? { note: watcher.failures(url) } : {}),
            },
            {
                ...common,
                what: `${prefix}${what}, p99`,
                value: quantile(samples, 0.99),
                note,
                ...(atMost === undefined ? {} : { target: { atMost } }),
            },
        ];
    });
}

/** Web servers in an instance's network namespace: the probe, and one that stays. */
async function startProbe(container: string): Promise<void> {
    const server = (name: string, port: number) =>
        `require("node:http").createServer((request, response) => {` +
        `response.setHeader("X-Instance", "${name}"); response.end("ok\\n"); }).listen(${port});`;
    await docker(
        ...["run", "--detach", "--name", "gatehouse-bench-probe", "--label", `dev.gatehouse.stack=${label}`],
        ...["--network", `container:${container}`, "--entrypoint", "/usr/bin/node", imageReference("node")],
        ...["-e", server(probe, probePort) + server("bench-always", probePort + 1)],
    );
}
