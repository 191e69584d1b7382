import { nestedContainers } from "../../tests/support/docker";
import { withLoad, type LoadReport } from "../../tests/support/load";
import type { NomadLab } from "../../tests/support/nomad-lab";
import { failedRequests } from "../failures";
import type { Figure } from "../report";

/** Requests that fail while the lab changes under constant load. */
export async function measureDisruption(lab: NomadLab): Promise<Figure[]> {
    const during = async (action: () => Promise<unknown>): Promise<LoadReport> =>
        (await withLoad({ url: lab.url("webapp"), settleMs: 2000 }, action)).report;

    const scaling = await during(async () => {
        await lab.change({ webapp: { count: 5 } });
        await lab.balances(5);
        await lab.change({ webapp: { count: 3 } });
        await lab.balances(3);
    });
    const rolling = await during(async () => {
        await lab.change({ webapp: { count: 3, message: "rolled" } });
        await lab.balances(3);
    });
    const killing = await during(async () => {
        const victim = (await nestedContainers(lab.machine)).find(({ name }) => name.startsWith("server-"));
        await lab.inside("docker", "kill", "--signal", "KILL", victim?.id ?? "no instance runs");
        await lab.balances(3, { within: 60 });
    });
    return [
        failedRequests("failed requests while scaling 3 → 5 → 3", scaling, { atMost: 0 }),
        failedRequests("failed requests while rolling a change", rolling, { atMost: 0 }),
        failedRequests("failed requests while an instance is killed", killing),
    ];
}
