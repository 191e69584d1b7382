import * as assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import * as path from "node:path";

import { median } from "../../bench/statistics";
import type { Span } from "../../components/balancers/propagation";
import { imageReference } from "../../toolchain/images";
import { docker } from "./docker";
import { startLoad } from "./load";
import type { NomadLab } from "./nomad-lab";

/** How an instance may go. */
export type Departure = "deregistration" | "death" | "silence";

/** Seconds that a machine with other work to do may add to each of the spans. */
const noise = 0.25;

/**
 * Lets an additional instance go, several times under load, and compares the time until its last request with what the
 * stack's output says of the worst case. The median counts: one hiccup of the machine is no mistake of the output's.
 *
 * @returns the median, in seconds
 */
export async function leavesInTime(lab: NomadLab, how: Departure, trials = 3): Promise<number> {
    const { propagation } = lab.outputs;
    assert.ok(propagation, "there is no output propagation");
    const bound = propagation[how];
    // Requests to a silent instance hang: they must not take the connections of the others.
    const timeoutMs = how === "silence" ? 700 : 5000;
    const load = startLoad({ url: lab.url("webapp"), connections: 64, timeoutMs });
    const spans = await depart(lab, how, trials, bound).finally(() => load.stop());
    const { requests, failed } = await load.stop();
    const measured = median(spans);
    const said = spans.map((span) => `${span.toFixed(3)} s`).join(", ");
    console.log(
        `        ${how} by ${propagation.discovery}: ${said}; at most ${bound.seconds} s; ${failed} of ${requests} requests failed`,
    );
    assert.ok(
        measured <= bound.seconds + noise,
        `${how} took ${said}, and the output says at most ${bound.seconds} s`,
    );
    if (how !== "silence") {
        assert.ok(failed <= requests / 100, `${failed} of ${requests} requests failed`);
    }
    return measured;
}

async function depart(lab: NomadLab, how: Departure, trials: number, bound: Span): Promise<number[]> {
    const source = readFileSync(path.join(__dirname, "departure.cjs"), "utf8");
    const options = {
        how,
        service: "demo-webapp",
        address: lab.outputs.machines[0]?.privateAddress,
        trials,
        watch: (bound.seconds + 1) * 1000,
        statistics: { url: "http://127.0.0.1:1936/;csv", auth: lab.statsAuth },
    };
    const output = await docker(
        ...["run", "--rm", "--label", `dev.gatehouse.stack=${lab.stack.name}`],
        ...["--network", `container:${lab.machine}`, "--entrypoint", "/usr/bin/node", imageReference("node")],
        ...["-e", source, JSON.stringify(options)],
    );
    return (JSON.parse(output) as number[]).map((span) => span / 1000);
}
