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
    /**
     * From an instance's deregistration to its stop, e.g. `2s`: longer than balancers need to notice, see
     * `propagation`. Default: the job file's, `2s`. A change is rolled out like a new image.
     */
    shutdownDelay?: string;
    /**
     * An instance's share of the requests while its check passes, and while it answers with 429; 1 to 65535. Balancers
     * that ask Consul's DNS see 256ths of it. Default: 1 and 1. A change is taken over in place and restarts nothing.
     */
    weights?: { passing: number; warning: number };
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
                    ...(args.shutdownDelay === undefined ? {} : { shutdown_delay: args.shutdownDelay }),
                    ...(args.weights === undefined ? {} : { weights: args.weights }),
                },
            },
            onCluster(this, opts),
        );
        this.registerOutputs({ job: this.job.name });
    }
}
