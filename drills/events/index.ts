import type { Drill } from "../drill";
import { agentDrills } from "./agents";
import { diskDrills } from "./disk";
import { machineDrills } from "./machines";
import { networkDrills } from "./network";
import { plannedDrills } from "./planned";

/** Everything that can happen: what is planned first, then from small to large. */
export const drills: readonly Drill[] = [
    ...plannedDrills,
    ...named("consul-leader", "nomad-leader", "server", "paused", "partition", "disk"),
    ...named("client", "client-partition", "discovery", "restart"),
];

function named(...names: string[]): Drill[] {
    const all = [...agentDrills, ...diskDrills, ...machineDrills, ...networkDrills];
    return names.flatMap((name) => all.filter((each) => each.name === name));
}
