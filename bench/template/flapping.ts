import Docker from "dockerode";

import { start } from "../../tests/support/command";
import { docker, inside, removeLeftovers } from "../../tests/support/docker";
import { request } from "../../tests/support/http";
import { eventually, pause } from "../../tests/support/poll";
import type { ContainerLab } from "../container-lab";
import { inTurns } from "../in-turns";
import type { Figure } from "../report";
import { cpuSeconds, Scene } from "../scene";
import type { WrkReport } from "../wrk";
import { Catalogue, type Instance } from "./catalogue";

const label = "bench-flock";
const container = (name: string) => `gatehouse-${label}-${name}`;
const flapsPerSecond = 10;

/** What a span of flapping cost. */
interface Span {
    report: WrkReport;
    flaps: number;
    reloads: number;
    oldWorkers: number;
    /** Shares of a core. */
    cpu: { haproxy: number; templater: number; consul: number };
}

/**
 * Very many services, one of which flaps, through a pair of containers like the lab's own beside it: reloads, old
 * workers, failed requests of another service, and processor time.
 */
export async function measureFlapping(
    lab: ContainerLab,
    { services, seconds }: { services: number; seconds: number },
): Promise<Figure[]> {
    await removeLeftovers(label);
    const catalogue = new Catalogue(lab.url("consul"));
    const { address } = await lab.placeOf("web1");
    const flock = Array.from({ length: services }, (_, n): Instance => {
        return { id: `flock-${n}`, service: `flock-${n}`, address, port: 8001 };
    });
    try {
        await inTurns(flock, (instance) => catalogue.register(instance));
        await startPair(lab, ["web", ...flock.map(({ service }) => service)]);
        const scene = await Scene.open("bench-load", { network: container("haproxy"), cores: 1 });
        try {
            const flapping = flock[services >> 1] as Instance;
            const verdicts = await play(lab, scene, seconds, (passing) =>
                catalogue.judge(flapping, passing ? "passing" : "critical"),
            );
            const another = { ...flapping, id: "flapping" };
            const instances = await play(lab, scene, seconds, (passing) =>
                passing ? catalogue.register(another) : catalogue.deregister(another),
            );
            return [
                ...figures(`${services} services, one changing its verdict`, verdicts, seconds),
                ...figures(`${services} services, one changing its instances`, instances, seconds),
            ];
        } finally {
            await scene.close();
        }
    } finally {
        await removeLeftovers(label);
        await catalogue.forget().catch(() => undefined);
    }
}

/** A HAProxy and a templater as the lab runs them, with more services. */
async function startPair(lab: ContainerLab, services: string[]): Promise<void> {
    const { network } = await lab.placeOf("web1");
    const consul = await lab.placeOf("consul");
    const volume = container("state");
    const common = ["--label", `dev.gatehouse.stack=${label}`, "--network", network];
    const shared = ["--volume", `${volume}:/run/haproxy`];
    await docker("volume", "create", "--label", `dev.gatehouse.stack=${label}`, volume);
    await docker(
        ...["run", "--detach", "--name", container("haproxy"), ...common, ...shared],
        ...["--publish", "127.0.0.1::80", await lab.imageOf("haproxy")],
        ...["/run/haproxy/accepted.cfg", "/etc/haproxy/bootstrap.cfg"],
    );
    await docker(
        ...["run", "--detach", "--name", container("templater"), ...common, ...shared],
        ...["--env", `CONSUL_HTTP_ADDR=http://${consul.address}:8500`],
        ...["--env", `SERVICES=${services.join(" ")}`, "--env", "STATS_PASSWORD=bench"],
        await lab.imageOf("haproxy-templater"),
    );
    const port = (await docker("port", container("haproxy"), "80/tcp")).trim().split(":").at(-1);
    const last = services.at(-1) ?? "";
    await eventually(
        "the last of the services is balanced",
        async () => {
            const answer = await request(`http://127.0.0.1:${port}/`, {
                headers: { host: `${last}.service` },
            });
            if (answer.status !== 200) {
                throw new Error(`status ${answer.status}`);
            }
        },
        { within: 120 },
    );
}

async function play(
    lab: ContainerLab,
    scene: Scene,
    seconds: number,
    flap: (passing: boolean) => Promise<void>,
): Promise<Span> {
    const engine = new Docker();
    const usage = async () =>
        Promise.all(
            [container("haproxy"), container("templater"), lab.stack.object("consul")].map((name) =>
                cpuSeconds(engine, name),
            ),
        );
    const reloadsBefore = await reloadsSoFar();
    const before = await usage();
    const looking = start("docker", ["exec", container("haproxy"), "/bin/sh", "-c", sampler(seconds)]);
    const load = scene.load({ url: "http://127.0.0.1:80/", seconds, connections: 10, delayMs: 10 });
    let running = true;
    const flapped = (async () => {
        let flaps = 0;
        for (let next = Date.now(); running; next += 1000 / flapsPerSecond) {
            await pause(Math.max(0, next - Date.now()));
            await flap(flaps % 2 === 1);
            flaps += 1;
        }
        await flap(true);
        return flaps;
    })();
    const report = await load.finally(() => (running = false));
    const after = await usage();
    const share = (n: number) => ((after[n] ?? NaN) - (before[n] ?? NaN)) / report.seconds;
    return {
        report,
        flaps: await flapped,
        reloads: (await reloadsSoFar()) - reloadsBefore,
        oldWorkers: mostOldWorkers((await looking.done).stdout),
        cpu: { haproxy: share(0), templater: share(1), consul: share(2) },
    };
}

function figures(what: string, span: Span, seconds: number): Figure[] {
    const { report, flaps, reloads, oldWorkers, cpu } = span;
    const reasons = Object.entries(report.failures).map(([reason, count]) => `, ${count} × ${reason}`);
    const percent = (value: number) => `${Math.round(value * 100)} %`;
    return [
        {
            what: `${what} ${flapsPerSecond} times a second: reloads`,
            value: reloads,
            unit: "reloads",
            // The guard's default: five at once, then one a second; and the one that ends it.
            target: { atMost: seconds + 6 },
            samples: flaps,
            note: `${flaps} changes in ${seconds} s; CPU: HAProxy ${percent(cpu.haproxy)}, templater ${percent(cpu.templater)}, Consul ${percent(cpu.consul)} of a core`,
        },
        { what: "the same: old workers at most", value: oldWorkers, unit: "processes", samples: seconds * 2 },
        {
            what: "the same: failed requests to another service",
            value: report.failed,
            unit: "requests",
            target: { atMost: 0 },
            samples: report.requests,
            note: `of ${report.requests}, p99 ${report.p99Milliseconds.toFixed(1)} ms${reasons.join("")}`,
        },
    ];
}

/** The guard counts them on the volume that it shares with HAProxy. */
async function reloadsSoFar(): Promise<number> {
    const text = await inside(container("haproxy"), "cat", "/run/haproxy/metrics");
    return Number(/^gatehouse_guard_reloads_total (\d+)$/m.exec(text)?.[1]);
}

/** Asks the master for its processes twice a second. */
function sampler(seconds: number): string {
    const ask = "echo 'show proc' | socat - UNIX-CONNECT:/run/haproxy/master.sock 2> /dev/null; echo";
    return `n=${seconds * 2}; while [ $n -gt 0 ]; do ${ask}; n=$((n - 1)); sleep 0.5; done`;
}

/** The most old workers that any answer to `show proc` lists. Pure. */
export function mostOldWorkers(answers: string): number {
    let old = false;
    let count = 0;
    let most = 0;
    for (const line of answers.split("\n")) {
        if (line.startsWith("#")) {
            old = line.startsWith("# old workers");
            count = 0;
        } else if (old && /^\d+\s+worker\s/.test(line)) {
            count += 1;
            most = Math.max(most, count);
        }
    }
    return most;
}
