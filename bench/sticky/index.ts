import { ContainerLab } from "../container-lab";
import { measureMemory } from "../memory";
import type { Plan } from "../plan";
import { measureReloads } from "./reloads";
import { measureThroughput } from "./throughput";

export const sticky: Plan<ContainerLab> = {
    open: () => new ContainerLab("bench-sticky"),
    aims: { up: 15, preview: 5, down: 15 },
    configure: (lab) => lab.stack.configure(),
    works: (lab) => lab.answers(2),
    measures: {
        memory: async (lab) => ({ figures: await measureMemory(lab.stack) }),
        reloads: async (lab, { short }) => ({
            figures: await measureReloads(lab, short ? 20_000 : 500_000),
        }),
        throughput: async (lab, { short }) => ({
            matrices: await measureThroughput(
                await lab.imageOf("balancer"),
                short ? { rounds: 2, secondsPerRound: 1 } : { rounds: 7, secondsPerRound: 3 },
            ),
        }),
    },
};
