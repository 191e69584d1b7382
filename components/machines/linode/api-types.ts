import type { PricedType } from "../../../toolchain/linode/prices";

// The parts of the Linode API's answers that the program reads.

export interface Region {
    id: string;
    /** What can be had there, in the API's words: `VPCs`, `Metadata` … */
    capabilities: string[];
    placement_group_limits?: { maximum_linodes_per_pg: number | null } | null;
}

export interface Image {
    id: string;
    status: string;
    /** `cloud-init` where it reads the metadata service. */
    capabilities: string[];
}

export interface LinodeType extends PricedType {
    class: string;
    /** MiB. */
    memory: number;
}
