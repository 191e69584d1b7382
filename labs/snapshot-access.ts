import * as pulumi from "@pulumi/pulumi";

import type { Connection, Machine } from "../components/machines/machine";
import { seconds } from "../settings/guard";

/** What it takes to fetch a cluster's snapshots and to read them. */
export interface SnapshotAccess {
    /** The cluster's. */
    datacenter: string;
    /** Seconds from one snapshot to the next. */
    interval: number;
    /** How many of each source a server keeps. */
    keep: number;
    /** The key that they are decrypted with, PEM. */
    keyPem: string;
    /** The way to each server, by name. */
    servers: Record<string, Connection>;
}

export interface SnapshotAccessArgs {
    datacenter: string;
    /** As the setting has it, e.g. `1h`. */
    interval: string;
    keep: number;
    keyPem: pulumi.Output<string>;
    servers: readonly Machine[];
}

/** The output `snapshots`. Secret. */
export function snapshotAccess(args: SnapshotAccessArgs): pulumi.Output<SnapshotAccess> {
    const { datacenter, interval, keep, keyPem } = args;
    const servers = Object.fromEntries(args.servers.map(({ name, connection }) => [name, connection]));
    return pulumi.secret(pulumi.output({ datacenter, interval: seconds(interval), keep, keyPem, servers }));
}
