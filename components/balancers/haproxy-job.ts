import * as nomad from "@pulumi/nomad";
import * as pulumi from "@pulumi/pulumi";

import { deployJob, onCluster } from "../jobs/job";
import type { ResolverHold } from "./propagation";

export interface HaproxyJobArgs {
    datacenters: string[];
    /** The image made from images/haproxy. A change stops HAProxy and starts the new one: its ports are fixed. */
    image: pulumi.Input<string>;
    /**
     * Names of the machines whose ports 80 and 1936 it takes: there is one instance on each, and they change one after
     * the other. Default: one instance, on any machine. A change moves it.
     */
    nodes?: readonly string[];
    /**
     * Networks, e.g. `192.168.255.0/24`, whose connections to port 80 begin with a PROXY header, which says who calls.
     * Others' do not. Default: none. A change restarts the instances, one after the other.
     */
    proxySources?: readonly string[];
    /**
     * How HAProxy learns of instances: by `events` it holds a question open that Consul answers when something changes,
     * by `dns` it asks Consul's DNS ten times a second, by `template` Nomad renders them and reloads it. Default
     * `events`. A change is a reload.
     */
    discovery?: "events" | "dns" | "template";
    /**
     * How long what Consul's DNS has said is kept, in seconds, by the answer that comes instead; for discovery `dns`.
     * Default: `resolvers.hold` in timings.ts. A change is a reload.
     */
    hold?: Partial<ResolverHold>;
    /** Servers that the backend has room for; see `slotCount`. A change is a reload, which loses no request. */
    slots: number;
    /** For the statistics page and `/metrics`; letters, digits, `-`, `_` and `.` only. A change is a reload. */
    stats: { user: string; password: pulumi.Input<string> };
    /** What HAProxy asks an instance for to see whether it is well. Default `/health`. A change is a reload. */
    healthPath?: string;
    /** What HAProxy writes to its log: requests that failed or were retried, or all of them. Default `errors`. */
    log?: "errors" | "all";
    /** Consul's DNS server as HAProxy's machine reaches it. Default `127.0.0.1:8600`. */
    consulDns?: string;
}

/** HAProxy in front of `demo-webapp`, as a job on the host's network. Takes its Nomad provider from the options. */
export class HaproxyJob extends pulumi.ComponentResource {
    readonly job: nomad.Job;

    constructor(name: string, args: HaproxyJobArgs, opts?: pulumi.ComponentResourceOptions) {
        super("gatehouse:balancers:HaproxyJob", name, {}, opts);
        const childOpts = onCluster(this, opts);

        // What may change while HAProxy runs travels in a Nomad variable, which only this job may read: the job itself
        // stays the same, so nothing is rescheduled.
        const settings = new nomad.Variable(
            `${name}-settings`,
            {
                path: "nomad/jobs/haproxy",
                items: {
                    discovery: args.discovery ?? "events",
                    slots: String(args.slots),
                    health_path: args.healthPath ?? "/health",
                    log: args.log ?? "errors",
                    ...holdItems(args.hold ?? {}),
                    stats_user: configWord("stats.user", args.stats.user),
                    stats_password: pulumi
                        .output(args.stats.password)
                        .apply((password) => configWord("stats.password", password)),
                },
            },
            childOpts,
        );
        this.job = deployJob(
            `${name}-job`,
            {
                file: "haproxy.nomad.hcl",
                variables: {
                    datacenters: args.datacenters,
                    image: args.image,
                    nodes: args.nodes ?? [],
                    proxy_sources: args.proxySources ?? [],
                    consul_dns: args.consulDns ?? "127.0.0.1:8600",
                },
            },
            pulumi.mergeOptions(childOpts, { dependsOn: [settings] }),
        );
        this.registerOutputs({ job: this.job.name });
    }
}

/** Those that are not set are the job file's affair. */
function holdItems(hold: Partial<ResolverHold>): Record<string, string> {
    return Object.fromEntries(
        Object.entries(hold).map(([name, seconds]) => [`hold_${name}`, `${Math.round(seconds * 1000)}ms`]),
    );
}

/** A value that haproxy.cfg takes as one word without quotes. The value itself may be a secret and is not shown. */
function configWord(argument: string, value: string): string {
    if (!/^[\w.-]+$/.test(value)) {
        throw new Error(`${argument} of HAProxy may only have letters, digits, "-", "_" and "."`);
    }
    return value;
}
