import type { Figure } from "../report";
import { median, quantile } from "../statistics";
import type { WrkReport } from "../wrk";
import { keepChanging } from "./changes";
import { instancesOf } from "./instances";
import { ports, Stage } from "./stage";

const changesPerSecond = 5;

/** The lab's, when it has few instances. */
const slots = 16;

/** HAProxy without the module, with it, and with it while instances come and go. */
const kinds = ["plain", "module", "changing"] as const;
type Kind = (typeof kinds)[number];

interface Round extends WrkReport {
    /** Processor time of HAProxy for a request. */
    cpuMicroseconds: number;
}

/**
 * Requests per second through HAProxy with the events module and through one whose servers are written down: the same
 * binary, image, settings and web servers, in turn, as many threads as there are cores.
 */
export async function measureModule(effort: { rounds: number; seconds: number }): Promise<Figure[]> {
    const stage = await Stage.open("bench-module", instancesOf(1, 8));
    try {
        await stage.haproxy("plain", slots);
        await stage.haproxy("module", slots);
        const results: Record<Kind, Round[]> = { plain: [], module: [], changing: [] };
        for (const kind of kinds) {
            await play(stage, kind, 2);
        }
        for (let round = 0; round < effort.rounds; round += 1) {
            // Each goes first in its turn: what one leaves behind must not favour another.
            for (let turn = 0; turn < kinds.length; turn += 1) {
                const kind = kinds[(round + turn) % kinds.length] as Kind;
                results[kind].push(await play(stage, kind, effort.seconds));
            }
        }
        return compare(results);
    } finally {
        await stage.close();
    }
}

async function play(stage: Stage, kind: Kind, seconds: number): Promise<Round> {
    const which = kind === "plain" ? "plain" : "module";
    let running = true;
    const changing =
        kind === "changing" ? keepChanging(stage, changesPerSecond, () => running) : Promise.resolve();
    const url = `http://127.0.0.1:${ports[which]}/`;
    const before = await stage.scene.cpuSeconds(which);
    const report = await stage.scene.load({ url, seconds, connections: 32 }).finally(() => (running = false));
    const cpu = (await stage.scene.cpuSeconds(which)) - before;
    await changing;
    if (report.failed > 0 || report.requests === 0) {
        throw new Error(`requests failed under load, ${kind}: ${JSON.stringify(report)}`);
    }
    return { ...report, cpuMicroseconds: (cpu / report.requests) * 1e6 };
}

/** Pure. */
export function compare(results: Record<Kind, Round[]>): Figure[] {
    const names: Record<Kind, string> = {
        plain: "HAProxy without the events module",
        module: "HAProxy with it",
        changing: `HAProxy with it, ${changesPerSecond} changes a second`,
    };
    const samples = results.plain.length;
    const middle = (kind: Kind, of: (round: Round) => number) => median(results[kind].map(of));
    const speeds = kinds.map((kind): Figure => {
        return {
            what: `requests per second through ${names[kind]}`,
            value: middle(kind, (round) => round.requestsPerSecond),
            unit: "req/s",
            samples,
            note: `p99 ${middle(kind, (round) => round.p99Milliseconds).toFixed(1)} ms, ${middle(kind, (round) => round.cpuMicroseconds).toFixed(1)} µs of HAProxy a request`,
        };
    });
    // Above 1 is better than without the module, for both.
    const quotients = {
        speed: (plain: Round, other: Round) => other.requestsPerSecond / plain.requestsPerSecond,
        cpu: (plain: Round, other: Round) => plain.cpuMicroseconds / other.cpuMicroseconds,
    };
    const ratio = (kind: Kind, of: keyof typeof quotients, what: string): Figure => {
        const ratios = results[kind].map((round, n) => quotients[of](results.plain[n] as Round, round));
        const at = (share: number) => quantile(ratios, share).toFixed(2);
        return {
            what,
            value: median(ratios),
            unit: "ratio",
            ...(of === "speed" ? { target: { atLeast: 0.98 } } : {}),
            samples,
            note: `of rounds in turn; the middle half of them from ${at(0.25)} to ${at(0.75)}, all from ${at(0)} to ${at(1)}`,
        };
    };
    return [
        ...speeds,
        ratio("module", "speed", "with the module to without it"),
        ratio("module", "cpu", "the same by HAProxy's processor time for a request"),
        ratio("changing", "speed", `with the module and ${changesPerSecond} changes a second to without it`),
        ratio("changing", "cpu", "the same by HAProxy's processor time for a request"),
    ];
}
