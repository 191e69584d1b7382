import * as os from "node:os";

import { backendsRole } from "../proxies/backends";
import { envoy } from "../proxies/envoy";
import type { Backend, Certificate, Job, Proxy } from "../proxies/job";
import { nginx } from "../proxies/nginx";
import { ours } from "../proxies/ours";
import { traefik } from "../proxies/traefik";
import type { Matrix } from "../report";
import { Scene } from "../scene";
import { median } from "../statistics";
import { checkJob } from "./job-check";

const backends: Backend[] = [
    { name: "back1", port: 9001 },
    { name: "back2", port: 9002 },
];
const connections = 64;
const proxyCore = 0;
const loadCore = 1;

/** How much is measured. */
export interface Effort {
    rounds: number;
    secondsPerRound: number;
}

/** One round of one proxy. */
interface Round {
    requestsPerSecond: number;
    p99Milliseconds: number;
    /** Processor time of the proxy per request. */
    cpuMicroseconds: number;
    /** Connections opened per request, to the proxy and from it. */
    connectionsOpened: number;
}

/**
 * Requests per second, p99 and processor time through the balancer and its peers, doing the same job before the same
 * backends: all in one network namespace, the proxies on one core, the load generator and the backends on another.
 *
 * @param image the balancer's
 */
export async function measureThroughput(image: string, effort: Effort): Promise<Matrix[]> {
    const matrices: Matrix[] = [];
    for (const secure of [false, true]) {
        const scene = await Scene.open("bench-peers", { core: loadCore, cores: os.cpus().length });
        try {
            const job: Job = { backends, ...(secure ? { tls: await certificate(scene) } : {}) };
            const proxies = await raise(scene, image, job);
            for (const keepAlive of [true, false]) {
                const rounds = await play(scene, proxies, keepAlive, effort);
                matrices.push(compare(titleOf(secure, keepAlive), proxies, rounds));
            }
        } finally {
            await scene.close();
        }
    }
    return matrices;
}

async function raise(scene: Scene, image: string, job: Job): Promise<Proxy[]> {
    await scene.add(backendsRole(backends, loadCore));
    const proxies = [
        ours(image, job, proxyCore),
        nginx(job, proxyCore),
        traefik(job, proxyCore),
        envoy(job, proxyCore),
    ];
    for (const proxy of proxies) {
        await scene.add(proxy.role);
        await checkJob(
            scene,
            proxy,
            backends.map(({ name }) => name),
        );
    }
    return proxies;
}

/** The rounds of each proxy, in turn; another one goes first each time. */
async function play(scene: Scene, proxies: Proxy[], keepAlive: boolean, effort: Effort): Promise<Round[][]> {
    const rounds: Round[][] = proxies.map(() => []);
    for (let round = -1; round < effort.rounds; round += 1) {
        for (let turn = 0; turn < proxies.length; turn += 1) {
            const which = (turn + round + 1) % proxies.length;
            const result = await playOne(scene, proxies[which] as Proxy, keepAlive, effort.secondsPerRound);
            if (round >= 0) {
                rounds[which]?.push(result);
            }
        }
    }
    return rounds;
}

async function playOne(scene: Scene, proxy: Proxy, keepAlive: boolean, seconds: number): Promise<Round> {
    const cpuBefore = await scene.cpuSeconds(proxy.role.name);
    const openedBefore = await scene.connectionsOpened();
    const report = await scene.load({ url: proxy.url, seconds, connections, keepAlive });
    const opened = (await scene.connectionsOpened()) - openedBefore;
    const cpu = (await scene.cpuSeconds(proxy.role.name)) - cpuBefore;
    if (report.failed > 0 || report.requests === 0) {
        throw new Error(`${proxy.name} failed requests: ${JSON.stringify(report)}`);
    }
    // Half of them would already mean that the client does not do what this measures.
    if (keepAlive ? opened > report.requests / 10 : opened < report.requests * 0.99) {
        throw new Error(
            `${proxy.name}: ${opened} connections for ${report.requests} requests, keep-alive ${keepAlive}`,
        );
    }
    return {
        requestsPerSecond: report.requestsPerSecond,
        p99Milliseconds: report.p99Milliseconds,
        cpuMicroseconds: (cpu / report.requests) * 1e6,
        connectionsOpened: opened / report.requests,
    };
}

/** The first proxy beside the others. Pure. */
export function compare(title: string, proxies: { name: string }[], rounds: Round[][]): Matrix {
    const [first = []] = rounds;
    const rows = proxies.map(({ name }, n) => {
        const own = rounds[n] ?? [];
        const middle = (of: (round: Round) => number) => median(own.map(of));
        const ratio = (of: (round: Round) => number) =>
            median(own.map((round, i) => of(first[i] as Round) / of(round)));
        return [
            name,
            Math.round(middle((round) => round.requestsPerSecond)),
            middle((round) => round.p99Milliseconds),
            middle((round) => round.cpuMicroseconds),
            middle((round) => round.connectionsOpened),
            n === 0 ? "" : ratio((round) => round.requestsPerSecond),
            n === 0 ? "" : ratio((round) => round.p99Milliseconds),
            n === 0 ? "" : ratio((round) => round.cpuMicroseconds),
        ];
    });
    return {
        title,
        head: [
            "proxy",
            "requests/s",
            "p99 ms",
            "CPU µs/request",
            "connections/request",
            "ours ÷ its requests/s",
            "ours ÷ its p99",
            "ours ÷ its CPU",
        ],
        rows,
    };
}

function titleOf(secure: boolean, keepAlive: boolean): string {
    return `${secure ? "TLS" : "Plain"}, ${keepAlive ? "kept-alive connections" : "a connection a request"}`;
}

/** Self-signed, with an ECDSA key as a CA would be asked to certify. */
async function certificate(scene: Scene): Promise<Certificate> {
    await scene.exec(
        ...["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
        ...["-keyout", "/tmp/key.pem", "-out", "/tmp/chain.pem", "-days", "2"],
        ...["-subj", "/CN=bench.test", "-addext", "subjectAltName=DNS:bench.test,IP:127.0.0.1"],
    );
    return {
        chain: await scene.exec("cat", "/tmp/chain.pem"),
        key: await scene.exec("cat", "/tmp/key.pem"),
    };
}
