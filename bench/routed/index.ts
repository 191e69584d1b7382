import { RoutedLab } from "../../tests/support/routed-lab";
import { measureMemory } from "../memory";
import type { Plan } from "../plan";
import { measureChanges } from "./changes";
import { measureGrowth } from "./growth";

export const routed: Plan<RoutedLab> = {
    open: () => new RoutedLab("bench-routed"),
    aims: { up: 60, preview: 8, down: 15 },
    configure: (lab) => lab.set({}),
    works: (lab) => lab.reaches("client-2", "helloworld"),
    measures: {
        memory: async (lab) => ({ figures: await measureMemory(lab.stack) }),
        changes: async (lab) => ({ figures: await measureChanges(lab) }),
        // Last: it takes the lab down and up again.
        growth: async (lab, { short }) => ({
            matrices: [await measureGrowth(lab, short ? [0] : [0, 2, 4, 8])],
        }),
    },
};
