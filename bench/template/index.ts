import { ContainerLab } from "../container-lab";
import { measureMemory } from "../memory";
import type { Plan } from "../plan";
import { measureFlapping } from "./flapping";
import { measurePropagation } from "./propagation";

export const template: Plan<ContainerLab> = {
    open: () => new ContainerLab("bench-template"),
    aims: { up: 20, preview: 5, down: 15 },
    configure: (lab) => lab.stack.configure(),
    works: (lab) => lab.answers(2),
    measures: {
        memory: async (lab) => ({ figures: await measureMemory(lab.stack) }),
        propagation: async (lab, { short }) => ({ figures: await measurePropagation(lab, short ? 4 : 60) }),
        flapping: async (lab, { short }) => ({
            figures: await measureFlapping(
                lab,
                short ? { services: 200, seconds: 8 } : { services: 1000, seconds: 60 },
            ),
        }),
    },
};
