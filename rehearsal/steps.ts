import * as assert from "node:assert/strict";

import type { NodeState } from "../tests/support/linode/docker/haproxy";
import { eventually } from "../tests/support/poll";
import { labOf } from "../toolchain/stackfile";
import { fault, type Rehearsal } from "./rehearsal";
import { entrances, visits } from "./visits";

/** How many requests are made of the entrance. */
const requests = 60;

/** One act of a rehearsal. Fails with what is wrong; returns what it has seen, for people. */
export interface Step {
    title: string;
    run(rehearsal: Rehearsal): Promise<string>;
}

/** From nothing to working URLs and back to nothing. */
export function stepsOf(stack: string): Step[] {
    return [
        {
            title: "preview of what is to come",
            run: async (rehearsal) => {
                const { output } = await rehearsal.must("preview");
                requireQuiet(output);
                return /\d+ to create/.exec(output)?.[0] ?? "";
            },
        },
        {
            title: "up",
            run: async (rehearsal) => {
                requireQuiet((await rehearsal.must("up")).output);
                return `${rehearsal.inventory().length} things in the account`;
            },
        },
        { title: "its URLs", run: (rehearsal) => requireEntrance(rehearsal, stack) },
        {
            title: "preview of nothing",
            run: async (rehearsal) => {
                await rehearsal.previewsNothing();
                return "no change";
            },
        },
        {
            title: "down",
            run: async (rehearsal) => {
                const { output } = await rehearsal.must("down");
                const left = rehearsal.inventory();
                if (left.length > 0) {
                    throw fault(`the account still has ${left.join(", ")}`);
                }
                return requireReceipt(output);
            },
        },
    ];
}

/** What the receipt says was deleted and what it cost; it must say that nothing is left. */
export function requireReceipt(output: string): string {
    const said = (word: string) => new RegExp(`^Linode: ${word}: (.*)$`, "m").exec(output)?.[1];
    if (said("left") !== "nothing" || said("deleted") === "nothing") {
        throw fault(`the receipt says "deleted: ${said("deleted")}; left: ${said("left")}"`);
    }
    return `deleted: ${said("deleted")}; left: nothing; cost: ${said("cost")}`;
}

/** Lines in which the engine or the front door complains. */
export function complaints(output: string): string[] {
    return output.split("\n").filter((line) => /(^|\s)(error|warning): /.test(line));
}

function requireQuiet(output: string): void {
    const found = complaints(output);
    if (found.length > 0) {
        throw fault(`it complains:\n    ${found.join("\n    ")}`);
    }
}

/** The lab's page through its NodeBalancer, if it has one: every request answered, by all that can. */
export async function requireEntrance(rehearsal: Rehearsal, stack: string): Promise<string> {
    const entrance = entrances[labOf(stack)];
    const url = (await rehearsal.outputs()).urls[entrance?.url ?? ""];
    if (entrance === undefined || url === undefined) {
        throw fault(`the stack ${stack} has no page to visit`);
    }
    const balancers = rehearsal.emulator.inventory().filter(({ kind }) => kind === "nodebalancer");
    await eventually("all nodes behind the NodeBalancer", async () => {
        const states = await nodesOf(rehearsal, balancers);
        assert.ok(
            states.every(({ up }) => up),
            `${states.filter(({ up }) => !up).length} of ${states.length} are down`,
        );
    });
    const before = await nodesOf(rehearsal, balancers);
    const answers = await visits(url, requests, entrance.host);
    const wrong = answers.find(({ status }) => status !== 200);
    if (wrong !== undefined) {
        throw fault(`${url} answered ${wrong.status}`);
    }
    const clients = [...new Set(answers.map(({ client }) => client))];
    if (clients.join() !== rehearsal.driver.operatorAddress) {
        throw fault(
            `the application takes ${clients.join(", ") || "nobody"} for its client, not ${rehearsal.driver.operatorAddress}`,
        );
    }
    const after = await nodesOf(rehearsal, balancers);
    const idle = after.filter(({ sessions }, index) => sessions <= before[index]!.sessions);
    if (idle.length > 0) {
        throw fault(`${idle.length} of ${after.length} nodes behind the NodeBalancer got no request`);
    }
    const instances = new Set(answers.map(({ instance }) => instance));
    return `${url}: ${requests} of ${requests} answered by ${instances.size} instances through ${after.length} nodes`;
}

async function nodesOf(rehearsal: Rehearsal, balancers: { id: number }[]): Promise<NodeState[]> {
    const all = await Promise.all(balancers.map(({ id }) => rehearsal.driver.nodes(id, 80)));
    return all.flatMap((nodes) => [...nodes.values()]);
}
