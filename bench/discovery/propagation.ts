import { request } from "../../tests/support/http";
import { eventually } from "../../tests/support/poll";
import { buildImages, removeImages } from "../../tests/unit/balancers/image";
import type { Figure, Matrix } from "../report";
import { median, quantile } from "../statistics";
import { Watcher } from "../template/watcher";
import { Consul } from "./consul";
import { envoy } from "./envoy";
import type { Form } from "./form";
import { dns, events, template } from "./haproxy";
import { probe, startInstances, type Instances } from "./instances";
import { Stage } from "./stage";
import { traefik } from "./traefik";
import { play, type Trial, type Way } from "./trial";
import { Witness } from "./witness";

const forms: Form[] = [events, dns, template, traefik, envoy];
const aim = 0.05;

/** What the trials of a form came to. */
interface Tally {
    trials: Trial[];
    requests: number;
    failed: number;
}

/**
 * From an instance's registration at Consul's agent to its first request, and from its deregistration to its last, for
 * each form of discovery. One balancer runs at a time, so that none is slowed by what the others do at each change;
 * rounds, so that a slow moment of the machine does not fall on one form alone.
 */
export async function measurePropagation(args: {
    rounds: number;
    /** Of each form in each round. */
    trials: number;
}): Promise<{ figures: Figure[]; matrices: Matrix[] }> {
    await buildImages("haproxy", "templater");
    const stage = await Stage.open();
    try {
        const consul = await Consul.start(stage);
        const instances = await startInstances(stage, consul);
        const witness = new Witness(consul.api, probe);
        const tallies = new Map(forms.map((form) => [form, { trials: [], requests: 0, failed: 0 } as Tally]));
        try {
            for (let round = 1; round <= args.rounds; round += 1) {
                for (const [form, tally] of tallies) {
                    console.log(`${form.name}, round ${round} of ${args.rounds}`);
                    await playRound({ stage, consul, instances, witness }, form, tally, args.trials);
                }
            }
        } finally {
            await witness.stop();
        }
        return { figures: figures(tallies.get(events) as Tally), matrices: [matrix(tallies)] };
    } finally {
        await stage.close();
        await removeImages("haproxy", "templater");
    }
}

async function playRound(
    scene: { stage: Stage; consul: Consul; instances: Instances; witness: Witness },
    form: Form,
    tally: Tally,
    trials: number,
): Promise<void> {
    const { stage, consul, witness } = scene;
    const { probe: comes, always } = scene.instances[form.instances];
    await consul.register(always);
    const url = await form.start(stage, consul);
    await eventually(`${form.name} balances`, async () => {
        const { status } = await request(url);
        if (status !== 200) {
            throw new Error(`status ${status}`);
        }
    });
    const watcher = new Watcher(probe, url, 1);
    try {
        for (let trial = 0; trial < trials; trial += 1) {
            tally.trials.push(await play(consul, comes, url, { watcher, witness }));
        }
    } finally {
        await watcher.stop();
        const { requests, failed } = watcher.tally(url);
        tally.requests += requests;
        tally.failed += failed;
        await consul.deregister(always);
        await stage.remove(...form.containers);
    }
}

/** The aims are for what this project does itself. */
function figures({ trials }: Tally): Figure[] {
    const row = (what: string, direction: keyof Trial): Figure => {
        const ways = trials.map((trial) => trial[direction]);
        const slowest = ways.reduce((a, b) => (b.request > a.request ? b : a));
        const [all, query] = [slowest.request, slowest.consul].map((ms) => ms.toFixed(0));
        return {
            what: `events: ${what}, p99`,
            value: quantile(
                ways.map((way) => way.request / 1000),
                0.99,
            ),
            unit: "s",
            target: { atMost: aim },
            samples: ways.length,
            note: `slowest ${all} ms; a blocking query beside it took ${query} ms`,
        };
    };
    return [
        row("from registration to the first request", "join"),
        row("from deregistration to the last request", "leave"),
    ];
}

function matrix(tallies: Map<Form, Tally>): Matrix {
    const all = [...tallies.values()].flatMap(({ trials }) => trials);
    const count = [...tallies.values()][0]?.trials.length ?? 0;
    return {
        title: `Milliseconds from registration to the first request (in) and from deregistration to the last (out), ${count} trials each`,
        head: [
            ...["form", "in, median", "in, p99", "in, slowest"],
            ...["out, median", "out, p99", "out, slowest", "failed requests"],
        ],
        rows: [
            ...[...tallies].map(([{ name }, { trials, requests: asked, failed }]) => [
                name,
                ...columns(trials, "request"),
                `${failed} of ${asked}`,
            ]),
            ...consul(all),
        ],
    };
}

/** What Consul itself takes is in all of them. */
function consul(trials: Trial[]): (string | number)[][] {
    return [
        [`a blocking query beside them, ${trials.length} trials`, ...columns(trials, "consul"), ""],
        ["the call to Consul’s agent", ...columns(trials, "call"), ""],
    ];
}

function columns(trials: Trial[], until: keyof Way): number[] {
    return (["join", "leave"] as const).flatMap((direction) => {
        const samples = trials.map((trial) => trial[direction][until]);
        return [median(samples), quantile(samples, 0.99), Math.max(...samples)];
    });
}
