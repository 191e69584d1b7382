import type { Consul } from "./consul";
import type { Instances } from "./instances";
import type { Stage } from "./stage";

/** A balancer with its way to hear of instances. */
export interface Form {
    /** As the table calls it. */
    name: string;
    instances: keyof Instances;
    /** Containers that it starts; removed after each round. */
    containers: string[];
    /** Starts it, and returns the address at which it balances. Instances may not be there yet. */
    start(stage: Stage, consul: Consul): Promise<string>;
}
