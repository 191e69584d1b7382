import Docker from "dockerode";

import { eventually } from "../tests/support/poll";
import type { Stack } from "../tests/support/stack";
import type { Figure } from "./report";

/** The working set of the lab's containers, machines with everything that runs in them included. */
export async function measureMemory(stack: Stack, atMost?: number): Promise<Figure[]> {
    const { containers } = await stack.inventory();
    const sizes = await workingSets(containers);
    const mebibytes = Object.values(sizes).reduce((sum, size) => sum + size, 0);
    return [
        {
            what: "memory of the running lab",
            value: mebibytes,
            unit: "MiB",
            ...(atMost === undefined ? {} : { target: { atMost } }),
            samples: 1,
            note: `working set of ${containers.length} containers`,
        },
    ];
}

/** MiB by the containers' Docker names. */
export async function workingSets(containers: string[]): Promise<Record<string, number>> {
    const engine = new Docker();
    return eventually("the engine reports memory", async () =>
        Object.fromEntries(
            await Promise.all(
                containers.map(async (name) => [name, (await workingSet(engine, name)) / 2 ** 20] as const),
            ),
        ),
    );
}

/** As `docker stats` counts: usage less the page cache that the kernel may drop at once. */
async function workingSet(engine: Docker, container: string): Promise<number> {
    const { memory_stats: memory } = await engine.getContainer(container).stats({ stream: false });
    const details = memory.stats as unknown as Record<string, number>;
    if (!(memory.usage > 0)) {
        throw new Error(`no memory figures for ${container}: ${JSON.stringify(memory)}`);
    }
    return memory.usage - (details["total_inactive_file"] ?? details["inactive_file"] ?? 0);
}
