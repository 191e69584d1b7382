import { Agent, get } from "node:http";
import { performance } from "node:perf_hooks";

import { docker } from "../../tests/support/docker";
import type { NomadLab } from "../../tests/support/nomad-lab";
import { eventually, pause } from "../../tests/support/poll";
import { imageReference } from "../../toolchain/images";
import type { Figure } from "../report";
import { median, quantile } from "../statistics";

/** What an aim is for each of the forms of discovery, in seconds. */
const aims = {
    dns: { median: 0.25, p99: 0.5, trials: 60 },
    events: { median: 0.05, p99: 0.05, trials: 100 },
};
const probePort = 19_999;
const probe = "bench-probe";

/** Answers of one instance, as a client of the lab's HAProxy sees them. */
interface Seen {
    /** Milliseconds since the start of the process, when each answer came. */
    at: number[];
    failed: number;
    requests: number;
}

/**
 * From the call that registers an instance in Consul to its first answer through the lab's HAProxy, and from the call
 * that deregisters it to its last. The instance is an additional one of demo-webapp, always there, so that nothing but
 * discovery is measured.
 */
export async function measurePropagation(lab: NomadLab, discovery: keyof typeof aims): Promise<Figure[]> {
    const { trials } = aims[discovery];
    const name = `${lab.machine}-probe`;
    await startProbe(lab, name);
    const seen: Seen = { at: [], failed: 0, requests: 0 };
    let watching = true;
    const watch = watcher(lab, seen, () => watching);
    try {
        const registered: number[] = [];
        const deregistered: number[] = [];
        for (let trial = 0; trial < trials; trial += 1) {
            // A random wait: in step with the balancer's own polling, every trial would measure the same phase.
            await pause(700 + Math.random() * 600);
            registered.push(performance.now());
            await register(lab);
            await eventually(
                "the registered instance answers",
                () => {
                    if ((seen.at.at(-1) ?? 0) < (registered.at(-1) ?? 0)) {
                        throw new Error("no answer of it yet");
                    }
                },
                { within: 20, every: 20 },
            );
            await pause(200 + Math.random() * 600);
            deregistered.push(performance.now());
            await deregister(lab);
        }
        await pause(3000);
        return figures(seen, registered, deregistered, discovery);
    } finally {
        watching = false;
        await watch;
        await deregister(lab).catch(() => undefined);
        await docker("rm", "--force", name);
    }
}

function figures(
    seen: Seen,
    registered: number[],
    deregistered: number[],
    discovery: keyof typeof aims,
): Figure[] {
    const between = (from: number, to: number) => seen.at.filter((at) => at >= from && at < to);
    const joins: number[] = [];
    const leaves: number[] = [];
    registered.forEach((start, trial) => {
        const end = deregistered[trial] ?? NaN;
        const next = registered[trial + 1] ?? Infinity;
        joins.push(((between(start, end)[0] ?? NaN) - start) / 1000);
        leaves.push(Math.max(0, ((between(end, next).at(-1) ?? end) - end) / 1000));
    });
    const failed = `${seen.failed} of ${seen.requests} requests failed`;
    const both = (what: string, samples: number[]): Figure[] => [
        {
            what: `${discovery}: ${what}`,
            value: median(samples),
            unit: "s",
            target: { atMost: aims[discovery].median },
            samples: samples.length,
            note: failed,
        },
        {
            what: "the same, p99",
            value: quantile(samples, 0.99),
            unit: "s",
            target: { atMost: aims[discovery].p99 },
            samples: samples.length,
            note: `slowest ${Math.max(...samples).toFixed(3)} s`,
        },
    ];
    return [
        ...both("from registration to the first request", joins),
        ...both("from deregistration to the last request", leaves),
    ];
}

/** Requests one after the other, as fast as they are answered, until told to stop. */
async function watcher(lab: NomadLab, seen: Seen, watching: () => boolean): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const url = lab.url("webapp");
    while (watching()) {
        seen.requests += 1;
        await new Promise<void>((resolve) => {
            const outgoing = get(url, { agent, timeout: 5000 }, (incoming) => {
                incoming.resume();
                incoming.on("end", () => {
                    if (incoming.headers["x-instance"] === probe) {
                        seen.at.push(performance.now());
                    }
                    if (incoming.statusCode !== 200) {
                        seen.failed += 1;
                    }
                    resolve();
                });
            });
            outgoing.on("timeout", () => outgoing.destroy());
            outgoing.on("error", () => {
                seen.failed += 1;
                resolve();
            });
        });
    }
    agent.destroy();
}

/** A web server in the machine's network namespace that answers as an instance would. */
async function startProbe(lab: NomadLab, name: string): Promise<void> {
    const program =
        `require("node:http").createServer((request, response) => {` +
        `response.setHeader("X-Instance", "${probe}"); response.end("ok\\n"); }).listen(${probePort});`;
    await docker(
        ...["run", "--detach", "--name", name, "--label", `dev.gatehouse.stack=${lab.stack.name}`],
        ...["--network", `container:${lab.machine}`, "--entrypoint", "/usr/bin/node", imageReference("node")],
        ...["-e", program],
    );
    await eventually("the probe answers", () =>
        lab.inside("curl", "--silent", "--fail", `http://127.0.0.1:${probePort}/`),
    );
}

async function register(lab: NomadLab): Promise<void> {
    await put(lab, "/v1/agent/service/register", {
        ID: probe,
        Name: "demo-webapp",
        Address: lab.outputs.machines[0]?.privateAddress,
        Port: probePort,
        Check: { CheckID: probe, TTL: "1h", Status: "passing" },
    });
}

async function deregister(lab: NomadLab): Promise<void> {
    await put(lab, `/v1/agent/service/deregister/${probe}`);
}

async function put(lab: NomadLab, path: string, body?: unknown): Promise<void> {
    const answer = await lab.consulAnswer(path, { method: "PUT", body });
    if (answer.status !== 200) {
        throw new Error(`Consul answered ${answer.status}: ${answer.body}`);
    }
}
