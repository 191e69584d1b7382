import { Agent, get } from "node:http";
import { performance } from "node:perf_hooks";

import { pause } from "../../tests/support/poll";
import { inTurns } from "../in-turns";
import { signatureOf, type Instance } from "./instances";
import type { Stage } from "./stage";

/** How many instances are away at a time. */
const away = 5;

/** Every so many changes are followed to the traffic; odd, so that comings and goings take turns. */
const followed = 5;

/** An instance counts as gone when nothing has come from it for so many milliseconds. */
const silence = 100;

/** What has become of a span of changes. */
export interface Changes {
    /** With those that bring everybody back in the end. */
    made: number;
    /** Seconds from the registration to the first answer of an instance, and from deregistration to its last. */
    joins: number[];
    leaves: number[];
}

/** Which instance is next: they leave in order and come back in that order, in turn. */
export class Rotation {
    private readonly out: Instance[] = [];
    private next = 0;
    private joined = true;

    constructor(private readonly instances: Instance[]) {}

    turn(): { instance: Instance; joins: boolean } {
        this.joined = this.out.length >= away && !this.joined;
        const back = this.joined ? this.out.shift() : undefined;
        if (back !== undefined) {
            return { instance: back, joins: true };
        }
        const instance = this.instances[this.next % this.instances.length] as Instance;
        this.next += 1;
        this.out.push(instance);
        return { instance, joins: false };
    }

    /** Those that are away. */
    absent(): Instance[] {
        return [...this.out];
    }
}

/** So many changes a second, until told to stop; a slow one holds no other up. In the end all are back. */
export async function keepChanging(
    stage: Stage,
    perSecond: number,
    running: () => boolean,
): Promise<Changes> {
    const rotation = new Rotation(stage.instances);
    const changes: Changes = { made: 0, joins: [], leaves: [] };
    const agent = new Agent({ keepAlive: true });
    const under = new Set<Promise<unknown>>();
    let failure: unknown;
    try {
        for (let next = performance.now(); running() && failure === undefined; next += 1000 / perSecond) {
            await pause(Math.max(0, next - performance.now()));
            const { instance, joins } = rotation.turn();
            changes.made += 1;
            const call = joins ? stage.register(instance) : stage.deregister(instance);
            const done = (
                changes.made % followed === 0 ? follow(stage, agent, instance, joins, call, changes) : call
            )
                .catch((error: unknown) => (failure = error))
                .finally(() => under.delete(done));
            under.add(done);
        }
        await Promise.all(under);
        if (failure !== undefined) {
            throw failure;
        }
    } finally {
        agent.destroy();
        changes.made += rotation.absent().length;
        await inTurns(rotation.absent(), (instance) => stage.register(instance));
    }
    return changes;
}

/** Asks for the instance's service, one request after the other, until the change is seen. */
async function follow(
    stage: Stage,
    agent: Agent,
    instance: Instance,
    joins: boolean,
    call: Promise<void>,
    changes: Changes,
): Promise<void> {
    const start = performance.now();
    let called = Infinity;
    const calling = call.then(() => (called = performance.now()));
    const signature = signatureOf(instance);
    let last = start;
    for (;;) {
        const answered = (await ask(stage.url, agent, instance.service)) === signature;
        const now = performance.now();
        if (answered) {
            last = now;
        }
        if (joins && answered) {
            changes.joins.push((now - start) / 1000);
            break;
        }
        if (!joins && now - Math.max(last, called) > silence) {
            changes.leaves.push((last - start) / 1000);
            break;
        }
        if (now - start > 20_000) {
            throw new Error(`${instance.id} has not ${joins ? "come" : "gone"} within 20 s`);
        }
    }
    await calling;
}

/** The signature of who answers for a service. */
function ask(url: string, agent: Agent, service: string): Promise<string> {
    return new Promise((resolve, reject) => {
        const outgoing = get(url, { agent, timeout: 5000, headers: { "X-Service": service } }, (incoming) => {
            incoming.resume();
            incoming.on("end", () =>
                incoming.statusCode === 200
                    ? resolve(String(incoming.headers["x-instance"]))
                    : reject(new Error(`${service} answered ${incoming.statusCode}`)),
            );
        });
        outgoing.on("timeout", () => outgoing.destroy(new Error(`no answer from ${service}`)));
        outgoing.on("error", reject);
    });
}
