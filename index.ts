import { readConfig } from "./config";
import { createLab } from "./labs";
import { refuseUnsafeChanges } from "./labs/last-update";
import { prepareLinode } from "./labs/linode";
import { withOperators } from "./labs/operators";
import { requirePushPort } from "./labs/push-port";

/** The program. A function, because it looks at what the last update left before it makes its first resource. */
async function main() {
    const settings = readConfig();
    const last = await refuseUnsafeChanges(settings);
    await requirePushPort(settings);
    const linode = await prepareLinode(settings, last.lifetime);
    const lab = createLab(await withOperators(settings), last);
    return {
        /** Where to look: an address for each thing a person can open. */
        urls: lab.urls,
        /** The jobs that run, each with its status and address. */
        jobs: lab.jobs,
        /** Every machine's name, roles, addresses and boot time in seconds. */
        machines: lab.machines,
        /** What the next update is compared with, where the lab has a cluster that must not be lost. */
        ...(lab.cluster && { cluster: lab.cluster }),
        /** Secret: variables for the consul and nomad command lines, and the operator's credentials. */
        environment: lab.environment,
        /** From an instance's deregistration, death or silence to its last request: seconds at the worst, term by term. */
        ...(lab.propagation && { propagation: lab.propagation }),
        /** The lab as a Mermaid diagram. */
        topology: lab.topology,
        /** The page that Pulumi's console shows for the stack. */
        readme: lab.readme,
        /** Secret: how `make snapshot` and `make restore` reach the servers, and the key of the snapshots. */
        ...(lab.snapshots && { snapshots: lab.snapshots }),
        /** What it costs at list prices, and how long it is meant to exist, where that is somebody's money. */
        ...(linode && { cost: linode.cost, lifetime: linode.lifetime }),
    };
}

export = main;
