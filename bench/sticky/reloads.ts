import { output } from "../../tests/support/command";
import type { ContainerLab } from "../container-lab";
import type { Figure } from "../report";
import { Scene } from "../scene";
import type { WrkReport } from "../wrk";

const everyMs = 100;
const secondsPerRun = 20;
/** Together about 5,000 requests a second: below what two cores can do beside the reloads. */
const connections = 32;
const delayMs = 5;

/** What the reloader says at its end. */
interface Reloads {
    done: number;
    failed: number;
    oldWorkers: number;
}

/**
 * Failed requests while HAProxy is reloaded every 100 ms, over kept-alive connections and with a connection for each
 * request. The load comes from inside the balancer's own network namespace.
 *
 * @param requests that each of the two gets
 */
export async function measureReloads(lab: ContainerLab, requests: number): Promise<Figure[]> {
    const balancer = lab.stack.object("balancer");
    const figures: Figure[] = [];
    for (const keepAlive of [true, false]) {
        const scene = await Scene.open("bench-load", { network: balancer, cores: 1 });
        try {
            figures.push(figure(keepAlive, await play(scene, balancer, keepAlive, requests)));
        } finally {
            await scene.close();
        }
    }
    return figures;
}

async function play(scene: Scene, balancer: string, keepAlive: boolean, requests: number) {
    const reports: WrkReport[] = [];
    const reloads: Reloads[] = [];
    while (sum(reports.map((report) => report.requests)) < requests) {
        const reloading = output("docker", [
            "exec",
            balancer,
            "/usr/bin/node",
            "-e",
            reloader(secondsPerRun),
        ]);
        const load = scene.load({
            url: "http://127.0.0.1:80/",
            seconds: secondsPerRun,
            connections,
            keepAlive,
            delayMs,
        });
        const [report, said] = await Promise.all([load, reloading]);
        reports.push(report);
        reloads.push(JSON.parse(said) as Reloads);
    }
    return { reports, reloads };
}

function figure(
    keepAlive: boolean,
    { reports, reloads }: { reports: WrkReport[]; reloads: Reloads[] },
): Figure {
    const requests = sum(reports.map((report) => report.requests));
    const seconds = sum(reports.map((report) => report.seconds));
    const done = sum(reloads.map((each) => each.done));
    if (done < (seconds * 1000) / everyMs / 4 || reloads.some(({ failed }) => failed > 0)) {
        throw new Error(`HAProxy was not reloaded as often as it should: ${JSON.stringify(reloads)}`);
    }
    const reasons = reports.flatMap((report) => Object.entries(report.failures));
    return {
        what: `failed requests with a reload every ${everyMs} ms, ${keepAlive ? "kept-alive connections" : "a connection a request"}`,
        value: sum(reports.map((report) => report.failed)),
        unit: "requests",
        target: { atMost: 0 },
        samples: requests,
        note:
            `${Math.round(requests / seconds)}/s, ${done} reloads in ${Math.round(seconds)} s, ` +
            `at most ${Math.max(...reloads.map((each) => each.oldWorkers))} old workers, ` +
            `slowest ${Math.round(Math.max(...reports.map((report) => report.maxMilliseconds)))} ms` +
            reasons.map(([reason, count]) => `, ${count} × ${reason}`).join(""),
    };
}

/**
 * A program for the balancer's own Node: it reloads through the master's socket as the balancer does, with the
 * servers' state kept for the new worker.
 */
function reloader(seconds: number): string {
    return `
        const net = require("node:net");
        const fs = require("node:fs");
        const ask = (socket, command) => new Promise((resolve) => {
            const connection = net.connect("/run/balancer/" + socket);
            let answer = "";
            connection.on("data", (chunk) => (answer += chunk));
            connection.on("error", () => resolve(""));
            connection.on("close", () => resolve(answer));
            connection.end(command + "\\n");
        });
        const processes = async () => {
            for (;;) {
                const lines = (await ask("master.sock", "show proc")).split("\\n");
                const master = lines.find((line) => /^\\d+\\s+master/.test(line));
                if (master !== undefined) {
                    const old = lines.slice(lines.findIndex((line) => line.startsWith("# old workers")));
                    return {
                        reloads: Number(master.split(/\\s+/)[2]),
                        failed: Number(/failed: (\\d+)/.exec(master)?.[1] ?? 0),
                        old: old.filter((line) => /^\\d+\\s+worker/.test(line)).length,
                    };
                }
                await new Promise((resolve) => setTimeout(resolve, 5));
            }
        };
        (async () => {
            const before = await processes();
            const end = Date.now() + ${seconds * 1000};
            let oldWorkers = 0;
            for (let next = Date.now(); next < end; next += ${everyMs}) {
                await new Promise((resolve) => setTimeout(resolve, Math.max(0, next - Date.now())));
                const state = await ask("admin.sock", "show servers state");
                if (state.includes("apps")) {
                    fs.writeFileSync("/run/balancer/servers.bench", state);
                    fs.renameSync("/run/balancer/servers.bench", "/run/balancer/servers");
                }
                await ask("master.sock", "reload");
                oldWorkers = Math.max(oldWorkers, (await processes()).old);
            }
            const after = await processes();
            console.log(JSON.stringify({
                done: after.reloads - before.reloads,
                failed: after.failed - before.failed,
                oldWorkers,
            }));
        })();`;
}

function sum(values: number[]): number {
    return values.reduce((total, value) => total + value, 0);
}
