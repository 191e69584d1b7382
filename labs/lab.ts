import type * as pulumi from "@pulumi/pulumi";

import type { Propagation } from "../components/balancers/propagation";
import type { StoreSummary } from "./etcd-changes";
import type { ClusterSummary } from "./routed-changes";
import type { SnapshotAccess } from "./snapshot-access";

/** What every lab tells its user; the program exports it as the stack's outputs. */
export interface Lab {
    /** Where to look, by name: `webapp`, `consul` … */
    readonly urls: pulumi.Output<Record<string, string>>;
    readonly jobs: pulumi.Output<Record<string, JobSummary>>;
    readonly machines: pulumi.Output<MachineSummary[]>;
    /** What later updates are compared with (labs/cluster-changes.ts). Labs that lose nothing have none. */
    readonly cluster?: pulumi.Output<ClusterSummary | StoreSummary>;
    /** Secret: environment variables for the command lines of the lab's systems. */
    readonly environment: pulumi.Output<Record<string, string>>;
    /** How long an instance that goes may still get requests. Of labs whose balancer follows a catalogue. */
    readonly propagation?: pulumi.Output<Propagation>;
    /** A Mermaid diagram. */
    readonly topology: pulumi.Output<string>;
    /** Markdown. */
    readonly readme: pulumi.Output<string>;
    /** Secret: where snapshots are, and how they are read. Only of labs whose clusters take any. */
    readonly snapshots?: pulumi.Output<SnapshotAccess>;
}

export interface JobSummary {
    status: string;
    url?: string;
}

export interface MachineSummary {
    name: string;
    roles: string[];
    privateAddress: string;
    publicAddress: string;
    bootSeconds: number;
}
