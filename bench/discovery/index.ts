import type { Parts } from "../plan";
import { measurePropagation } from "./propagation";

/** What needs no lab: balancers side by side. */
export const discovery: Parts = {
    measures: {
        propagation: ({ short }) =>
            measurePropagation(short ? { rounds: 1, trials: 4 } : { rounds: 5, trials: 24 }),
    },
};
