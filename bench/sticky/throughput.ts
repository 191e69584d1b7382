import * as os from "node:os";

import { backendsRole } from "../proxies/backends";
import { envoy } from "../proxies/envoy";
import type { Backend, Certificate, Job, Proxy } from "../proxies/job";
import { nginx } from "../proxies/nginx";
import { ours } from "../proxies/ours";
import { traefik } from "../proxies/traefik";
import { heyArguments, parseHey } from "../hey";
import type { Matrix } from "../report";
import { Scene } from "../scene";
import { median } from "../statistics";
import { assertHandshakes, sessionsOffered } from "./handshakes";
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

/** How clients use connections: kept alive, or one for each request; that with TLS resumed or full handshakes. */
type Clients = "kept" | "anew" | "anew, full handshakes";

/** One round of one proxy. */
interface Round {
    requests: number;
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
            const kinds: Clients[] = secure ? ["kept", "anew", "anew, full handshakes"] : ["kept", "anew"];
            for (const clients of kinds) {
                const rounds = await watched(scene, proxies, secure, clients, () =>
                    play(scene, proxies, clients, effort),
                );
                // The first of each is for warming up.
                const counted = rounds.map(([, ...others]) => others);
                matrices.push(compare(titleOf(secure, clients), proxies, counted));
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

/** Refuses rounds in which TLS handshakes were not what the table is going to say; the balancer's HAProxy counts. */
async function watched(
    scene: Scene,
    [balancer]: Proxy[],
    secure: boolean,
    clients: Clients,
    rounds: () => Promise<Round[][]>,
): Promise<Round[][]> {
    if (!secure || clients === "kept" || balancer === undefined) {
        return rounds();
    }
    const offered = () => sessionsOffered(scene.container(balancer.role.name));
    const before = await offered();
    const result = await rounds();
    const requests = (result[0] ?? []).reduce((sum, round) => sum + round.requests, 0);
    assertHandshakes(clients === "anew" ? "resumed" : "full", (await offered()) - before, requests);
    return result;
}

/** The rounds of each proxy, in turn, and one before them; another proxy goes first each time. */
async function play(scene: Scene, proxies: Proxy[], clients: Clients, effort: Effort): Promise<Round[][]> {
    const rounds: Round[][] = proxies.map(() => []);
    for (let round = 0; round <= effort.rounds; round += 1) {
        for (let turn = 0; turn < proxies.length; turn += 1) {
            const which = (turn + round) % proxies.length;
            rounds[which]?.push(
                await playOne(scene, proxies[which] as Proxy, clients, effort.secondsPerRound),
            );
        }
    }
    return rounds;
}

async function playOne(scene: Scene, proxy: Proxy, clients: Clients, seconds: number): Promise<Round> {
    const keepAlive = clients === "kept";
    const load = { url: proxy.url, seconds, connections };
    const cpuBefore = await scene.cpuSeconds(proxy.role.name);
    const openedBefore = await scene.connectionsOpened();
    const report =
        clients === "anew, full handshakes"
            ? parseHey(await scene.exec("hey", ...heyArguments(load)))
            : await scene.load({ ...load, keepAlive });
    const opened = (await scene.connectionsOpened()) - openedBefore;
    const cpu = (await scene.cpuSeconds(proxy.role.name)) - cpuBefore;
    if (report.failed > 0 || report.requests === 0) {
        throw new Error(`${proxy.name} failed requests: ${JSON.stringify(report)}`);
    }
    // Half of them would already mean that the client does not do what this measures.
    if (keepAlive ? opened > report.requests / 10 : opened < report.requests * 0.99) {
        throw new Error(
            `${proxy.name}: ${opened} connections for ${report.requests} requests, connections ${clients}`,
        );
    }
    return {
        requests: report.requests,
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

function titleOf(secure: boolean, clients: Clients): string {
    const kinds = {
        kept: "kept-alive connections",
        anew: secure ? "a connection a request, resumed handshakes" : "a connection a request",
        "anew, full handshakes": "a connection a request, full handshakes",
    };
    return `${secure ? "TLS" : "Plain"}, ${kinds[clients]}`;
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
