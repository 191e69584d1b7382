import { eventually } from "../../tests/support/poll";
import type { Scene } from "../drill";
import { type DrilledLab, service } from "../lab";

/** The client that things happen to: not the one whose balancer is asked from outside, which has to be there. */
export function victim({ clients, entry }: DrilledLab): string {
    const others = clients.filter((name) => name !== entry);
    return others[0] ?? entry;
}

/**
 * Sees to it that the victim has an instance of the service that is asked for: after an earlier event all of them may
 * be elsewhere, and Nomad moves nothing that runs well. It spreads what it places anew.
 */
export async function onVictim({ lab, say }: Scene): Promise<void> {
    const name = victim(lab);
    const all = await lab.allocations();
    if (all.some((each) => each.NodeName === name)) {
        return;
    }
    say(`an instance of ${service} moves to ${name}, which has none`);
    const [one] = all;
    if (one !== undefined) {
        await lab.api("nomad", `/v1/allocation/${one.ID}/stop`, { method: "PUT" });
    }
    await eventually(
        `${name} has an instance of ${service}`,
        async () => {
            const found = await lab.allocations();
            if (!found.some((each) => each.NodeName === name && each.ClientStatus === "running")) {
                throw new Error(`they run on ${found.map((each) => each.NodeName).join(", ")}`);
            }
            const missing = await lab.missing();
            if (missing.length > 0) {
                throw new Error(missing.join("; "));
            }
        },
        { within: 90, every: 1000 },
    );
}
