import type * as nomad from "@pulumi/nomad";
import * as pulumi from "@pulumi/pulumi";

import { deployJob, onCluster } from "./job";

export interface HelloWorldArgs {
    datacenters: string[];
    /**
     * The program's image; it listens on `$PORT` and answers `/health`. A change is rolled out one instance after the
     * other.
     */
    image: pulumi.Input<string>;
    /** Instances of `helloworld`. Default 2. A change starts or stops the difference and leaves the others alone. */
    count?: number;
    /**
     * What Consul tags `helloworld` with. Default `["routed"]`, which the balancers follow; `hidden` has no tag. A
     * change is taken over in place and restarts nothing.
     */
    tags?: readonly string[];
}

/**
 * Two Consul services of one job: `helloworld`, which is routed, and `hidden`, which is not and so cannot be reached by
 * name. Takes its Nomad provider from the options.
 */
export class HelloWorld extends pulumi.ComponentResource {
    readonly job: nomad.Job;

    constructor(name: string, args: HelloWorldArgs, opts?: pulumi.ComponentResourceOptions) {
        super("gatehouse:jobs:HelloWorld", name, {}, opts);

        this.job = deployJob(
            `${name}-job`,
            {
                file: "helloworld.nomad.hcl",
                variables: {
                    datacenters: args.datacenters,
                    image: args.image,
                    count: args.count ?? 2,
                    tags: args.tags ?? ["routed"],
                },
            },
            onCluster(this, opts),
        );
        this.registerOutputs({ job: this.job.name });
    }
}
