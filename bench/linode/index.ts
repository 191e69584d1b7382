import type { Plan } from "../plan";
import { RehearsedLab } from "./lab";
import { measureCalls, measureRealLife } from "./real-life";

export const linode: Plan<RehearsedLab> = {
    open: () => new RehearsedLab(),
    // Without the platform's delays: what the lab itself costs.
    aims: { up: 120, preview: 15, down: 30 },
    configure: (lab) => lab.begin(0),
    works: (lab) => lab.works(),
    measures: {
        calls: measureCalls,
        "real life": async (lab, { short }) => {
            const found = await (short
                ? measureRealLife(lab, 0.01, [2])
                : measureRealLife(lab, 1, [0, 2, 4]));
            // As it was before: the last `make down` is measured, too.
            await lab.begin(0);
            await lab.up();
            return found;
        },
    },
};
