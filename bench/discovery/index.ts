import { measureScale } from "../events/scale";
import { measureModule } from "../events/throughput";
import type { Parts } from "../plan";
import { measurePropagation } from "./propagation";

/** What needs no lab: balancers side by side, and what HAProxy's events cost. */
export const discovery: Parts = {
    measures: {
        propagation: ({ short }) =>
            measurePropagation(short ? { rounds: 1, trials: 4 } : { rounds: 5, trials: 24 }),
        module: async ({ short }) => ({
            figures: await measureModule(short ? { rounds: 3, seconds: 1 } : { rounds: 15, seconds: 2 }),
        }),
        scale: ({ short }) => measureScale({ seconds: short ? 10 : 60 }),
    },
};
