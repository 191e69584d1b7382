import * as pulumi from "@pulumi/pulumi";

import type { Connection, Machine } from "../components/machines/machine";
import { seconds } from "../settings/guard";

/** What it takes to fetch a cluster's snapshots and to read them. */
export interface SnapshotAccess {
    /** What they are of: `consul`, `nomad`, `etcd`. */
    systems: readonly string[];
    /** Consul's and Nomad's. */
    datacenter?: string;
    /** Seconds from one snapshot to the next. */
    interval: number;
    /** How many of each system a server keeps. */
    keep: number;
    /** The key that they are decrypted with, PEM. */
    keyPem: string;
    /** The way to each server, by name. */
    servers: Record<string, Connection>;
}

export interface SnapshotAccessArgs {
    systems: readonly string[];
    datacenter?: string;
    /** As the setting has it, e.g. `1h`. */
    interval: string;
    keep: number;
    keyPem: pulumi.Output<string>;
    servers: readonly Machine[];
}

/** The output `snapshots`. Secret. */
export function snapshotAccess(args: SnapshotAccessArgs): pulumi.Output<SnapshotAccess> {
    const { systems, datacenter, interval, keep, keyPem } = args;
    const servers = Object.fromEntries(args.servers.map(({ name, connection }) => [name, connection]));
    return pulumi.secret(
        pulumi.output({ systems, datacenter, interval: seconds(interval), keep, keyPem, servers }),
    );
}
