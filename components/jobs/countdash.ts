import type * as nomad from "@pulumi/nomad";
import * as pulumi from "@pulumi/pulumi";

import { intention, type IntentionAction } from "./intentions";
import { deployJob, onCluster } from "./job";

export interface CountDashArgs {
    datacenters: string[];
    /** The counting service's image; it listens on `$PORT`. */
    apiImage: pulumi.Input<string>;
    /** The dashboard's image; it asks `$COUNTING_SERVICE_URL`. */
    dashboardImage: pulumi.Input<string>;
    /** Envoy's image. */
    sidecarImage: pulumi.Input<string>;
    /** Name of the machine that the dashboard runs on. Default: any machine. A change moves it. */
    node?: string;
    /** The dashboard's port on its machine. Default 9002. A change moves it. */
    dashboardPort?: number;
    /**
     * What Consul tags the dashboard with, e.g. `["routed"]` for balancers that follow that tag. Default: nothing. The
     * API is reached through the mesh alone. A change is a new deployment.
     */
    dashboardTags?: readonly string[];
    /**
     * Whether the dashboard may call the API through the mesh. Default `allow`. A change is effective within a second
     * and restarts nothing.
     */
    intention?: IntentionAction;
}

/**
 * The service mesh demo: a dashboard that reaches its API only through two Envoy proxies, and the rules that say so.
 * Takes its Nomad and Consul providers from the options.
 */
export class CountDash extends pulumi.ComponentResource {
    readonly job: nomad.Job;

    constructor(name: string, args: CountDashArgs, opts?: pulumi.ComponentResourceOptions) {
        super("gatehouse:jobs:CountDash", name, {}, opts);
        const childOpts = onCluster(this, opts);

        intention(`${name}-default`, { source: "*", destination: "*", action: "deny" }, childOpts);
        intention(
            `${name}-intention`,
            { source: "count-dashboard", destination: "count-api", action: args.intention ?? "allow" },
            childOpts,
        );
        this.job = deployJob(
            `${name}-job`,
            {
                file: "countdash.nomad.hcl",
                variables: {
                    datacenters: args.datacenters,
                    api_image: args.apiImage,
                    dashboard_image: args.dashboardImage,
                    sidecar_image: args.sidecarImage,
                    node: args.node ?? "",
                    dashboard_port: args.dashboardPort ?? 9002,
                    ...(args.dashboardTags === undefined ? {} : { dashboard_tags: args.dashboardTags }),
                },
            },
            childOpts,
        );
        this.registerOutputs({ job: this.job.name });
    }
}
