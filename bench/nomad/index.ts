import { NomadLab } from "../../tests/support/nomad-lab";
import { measureMemory } from "../memory";
import type { Plan } from "../plan";
import { measureDisruption } from "./disruption";
import { measurePropagation } from "./propagation";
import { measureThroughput } from "./throughput";

export const nomad: Plan<NomadLab> = {
    open: () => new NomadLab("bench"),
    aims: { up: 40, preview: 5, down: 15 },
    configure: (lab) => lab.set({}),
    works: (lab) => lab.works(3),
    measures: {
        memory: async (lab) => ({ figures: await measureMemory(lab.stack, 1536) }),
        throughput: async (lab) => ({ figures: await measureThroughput(lab) }),
        disruption: async (lab) => ({ figures: await measureDisruption(lab) }),
        // The document's form at last: the lab stays so.
        propagation: async (lab) => ({ figures: await measurePropagation(lab, "events") }),
        dns: async (lab) => {
            await lab.change({ discovery: "dns" });
            await lab.works(3);
            return { figures: await measurePropagation(lab, "dns") };
        },
    },
};
