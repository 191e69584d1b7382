import { UserError } from "../toolchain/errors";
import { Fleet } from "./fleet";
import { newest, stampOf } from "./names";
import type { Cluster } from "./stack";

/** `make snapshot`: one of each source now, and a copy on this computer, encrypted as it is on the server. */
export async function take(cluster: Cluster, say: (line: string) => void = console.log): Promise<void> {
    const fleet = await Fleet.ask(cluster);
    try {
        if (fleet.reports.length === 0) {
            throw new UserError(
                `no server of ${cluster.stack} can be asked:\n    ${fleet.warnings.join("\n    ")}`,
                `"make up STACK=${cluster.stack}" brings them up; "make restore STACK=${cluster.stack}" looks at the copies on this computer`,
            );
        }
        // By the servers' clock. It may differ from this one.
        const began = stampOf(
            new Date(Math.min(...fleet.reports.map(({ report }) => Date.parse(report.now)))),
        );
        const overdue = fleet.overdue();
        await fleet.take();
        const missing: string[] = [];
        for (const source of cluster.systems) {
            const fresh = newest(fleet.remote, source);
            if (fresh === undefined || fresh.stamp < began) {
                missing.push(source);
                continue;
            }
            const file = await fleet.store.bring(fresh);
            const keepers = fleet.remote.filter((each) => each.source === source && each.stamp >= began);
            say(
                `${source}: index ${fresh.index}, kept by ${keepers.map(({ node }) => node).join(", ")}; a copy is ${file}`,
            );
        }
        fleet.store.tidy(cluster.keep);
        fleet.warnings.forEach((warning) => say(`warning: ${warning}`));
        overdue.forEach((line) =>
            say(`warning: ${line}; on the servers: systemctl status gatehouse-snapshot.timer`),
        );
        if (missing.length > 0) {
            throw new UserError(
                `no snapshot of ${missing.join(" and ")} was made`,
                `see the warnings; on the servers: journalctl -u gatehouse-snapshot, systemctl status ${cluster.systems.join(" ")}`,
            );
        }
    } finally {
        fleet.close();
    }
}
