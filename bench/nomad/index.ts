import { NomadLab } from "../../tests/support/nomad-lab";
import { measureMemory } from "../memory";
import type { Options, Plan } from "../plan";
import { measureDisruption } from "./disruption";
import { measurePropagation } from "./propagation";
import { measureRolling } from "./rolling";
import { measureThroughput } from "./throughput";

const rolls = ({ short }: Options) =>
    short ? { instances: 3, delays: [1] } : { instances: 10, delays: [0, 1, 5] };

export const nomad: Plan<NomadLab> = {
    open: () => new NomadLab("bench"),
    aims: { up: 40, preview: 5, down: 15 },
    configure: (lab) => lab.set({}),
    works: (lab) => lab.works(3),
    measures: {
        memory: async (lab) => ({ figures: await measureMemory(lab.stack, 1536) }),
        throughput: async (lab) => ({ figures: await measureThroughput(lab) }),
        disruption: async (lab) => ({ figures: await measureDisruption(lab) }),
        propagation: async (lab) => ({ figures: await measurePropagation(lab, "events") }),
        "rolling-events": async (lab, options) => ({
            figures: await measureRolling(lab, "events", rolls(options)),
        }),
        "rolling-dns": async (lab, options) => ({
            figures: await measureRolling(lab, "dns", rolls(options)),
        }),
        // The document's form at last: the lab stays so.
        dns: async (lab) => {
            await lab.change({ discovery: "dns" });
            await lab.works(3);
            return { figures: await measurePropagation(lab, "dns") };
        },
    },
};
