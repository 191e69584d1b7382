import { EtcdLab, webservers } from "../../tests/support/etcd-lab";
import { withLoad } from "../../tests/support/load";
import { failedRequests } from "../failures";
import { measureMemory } from "../memory";
import type { Plan } from "../plan";
import type { Figure } from "../report";
import { measureCommits } from "./commits";
import { measurePropagation } from "./propagation";

/** The document's. */
const intervalMs = 20_000;

export const etcd: Plan<EtcdLab> = {
    open: () => new EtcdLab("bench-etcd"),
    aims: { up: 60, preview: 8, down: 15 },
    configure: (lab) => lab.set({}),
    works: (lab) => lab.answers("webapp-1 webapp-2", 60),
    measures: {
        memory: async (lab) => ({ figures: await measureMemory(lab.stack) }),
        commits: async (lab, { short }) => ({
            figures: await measureCommits(lab, short ? 20 : 2000),
        }),
        rolling: async (lab) => ({ figures: [await measureRolling(lab)] }),
        propagation: async (lab, { short }) => ({
            figures: await measurePropagation(lab, [
                { discovery: "interval", trials: short ? 1 : 8, settleMs: intervalMs + 2000 },
                { discovery: "watch", trials: short ? 3 : 60, settleMs: 1000 },
                { discovery: "events", trials: short ? 3 : 60, settleMs: 1000 },
            ]),
        }),
    },
};

/** Requests that fail while all units are restarted, one after the other. */
async function measureRolling(lab: EtcdLab): Promise<Figure> {
    const rate = 200;
    const { report } = await withLoad({ url: `${lab.url("webapp")}/`, rate, settleMs: 1000 }, async () => {
        for (const [index, machine] of webservers.entries()) {
            await lab.on(machine, "systemctl", "restart", `webapp@${index + 1}.service`);
            await lab.answers("webapp-1 webapp-2", 60);
        }
    });
    return failedRequests("failed requests while all units are restarted", report, { rate, atMost: 0 });
}
