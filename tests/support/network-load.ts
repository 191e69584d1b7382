import * as assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import * as path from "node:path";

import { imageReference } from "../../toolchain/images";
import { ending, start } from "./command";
import { docker } from "./docker";
import { eventually } from "./poll";
import type { Stack } from "./stack";

/** What `network-load.cjs` prints. */
export interface NetworkLoadReport {
    requests: number;
    failed: number;
    /** The first hundred of them. */
    failures: { atMs: number; address: string; reason: string }[];
    /** Requests that went to another balancer, by the address that took no connection. */
    elsewhere: Record<string, number>;
    /** Good answers by the balancer's address. */
    answered: Record<string, number>;
    resent: number;
    slowestMs: number;
}

export interface NetworkLoadOptions {
    /** Balancers' addresses in the lab's network; each request begins with the next. */
    addresses: string[];
    /** The name that is asked for. */
    host: string;
    /** Requests per second. Default 50. */
    rate?: number;
}

/** Load from a container of its own in the stack's network; what the host publishes goes away with its machine. */
export async function startNetworkLoad(
    stack: Stack,
    options: NetworkLoadOptions,
): Promise<{ stop(): Promise<NetworkLoadReport> }> {
    const name = stack.object("load");
    const source = readFileSync(path.join(__dirname, "network-load.cjs"), "utf8");
    const load = start(
        "docker",
        [
            ...["run", "--rm", "--name", name, "--label", `dev.gatehouse.stack=${stack.name}`],
            ...["--network", stack.object("network"), "--entrypoint", "/usr/bin/node"],
            ...[imageReference("node"), "-e", source, JSON.stringify({ rate: 50, ...options })],
        ],
        { timeout: 1800 },
    );
    // A container that runs may still be about to start the program, which knows no signal until then.
    await eventually("the load has begun", () => assert.match(load.output(), /^begun$/m), { within: 60 });
    return {
        stop: async () => {
            await docker("kill", "--signal", "TERM", name).catch(() => undefined);
            const result = await load.done;
            assert.equal(result.code, 0, `the load ended with ${ending(result)}: ${result.output}`);
            return JSON.parse(result.stdout) as NetworkLoadReport;
        },
    };
}
