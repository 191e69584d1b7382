import type * as nomad from "@pulumi/nomad";
import * as pulumi from "@pulumi/pulumi";

import { deployJob, onCluster } from "./job";

export interface WebAppArgs {
    datacenters: string[];
    /** The application's image; it listens on `$PORT` and answers `healthPath`. A change starts a second set beside the first. */
    image: pulumi.Input<string>;
    /** Instances, from 1 to `maxWebAppCount`. A change starts or stops the difference and leaves the others alone. */
    count: number;
    /** The application greets with `Hello from <message>`. A change is rolled out like a new image. */
    message: string;
    /** What Consul asks an instance for to see whether it is well. Default `/health`. */
    healthPath?: string;
    /**
     * What Consul tags the instances with, e.g. `["routed"]` for balancers that follow that tag. Default `["web"]`. A
     * change is taken over in place and restarts nothing.
     */
    tags?: readonly string[];
}

/** The web application behind HAProxy: job and Consul service `demo-webapp`. Takes its Nomad provider from the options. */
export class WebApp extends pulumi.ComponentResource {
    readonly job: nomad.Job;

    constructor(name: string, args: WebAppArgs, opts?: pulumi.ComponentResourceOptions) {
        super("gatehouse:jobs:WebApp", name, {}, opts);

        this.job = deployJob(
            `${name}-job`,
            {
                file: "demo-webapp.nomad.hcl",
                variables: {
                    datacenters: args.datacenters,
                    image: args.image,
                    count: args.count,
                    name: args.message,
                    health_path: args.healthPath ?? "/health",
                    ...(args.tags === undefined ? {} : { tags: args.tags }),
                },
            },
            onCluster(this, opts),
        );
        this.registerOutputs({ job: this.job.name });
    }
}
