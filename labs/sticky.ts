import * as pulumi from "@pulumi/pulumi";

import type { StickySettings } from "../settings/sticky";
import type { JobSummary, Lab, MachineSummary } from "./lab";

export interface StickyLabArgs {
    config: StickySettings;
}

/** Web servers behind an HAProxy image that keeps sessions by a cookie and gets its certificate by ACME. */
export class StickyLab extends pulumi.ComponentResource implements Lab {
    readonly urls: pulumi.Output<Record<string, string>>;
    readonly jobs: pulumi.Output<Record<string, JobSummary>> = pulumi.output({});
    readonly machines: pulumi.Output<MachineSummary[]> = pulumi.output([]);
    readonly environment: pulumi.Output<Record<string, string>>;
    readonly topology: pulumi.Output<string>;
    readonly readme: pulumi.Output<string>;

    constructor(name: string, args: StickyLabArgs, opts?: pulumi.ComponentResourceOptions) {
        super("gatehouse:labs:StickyLab", name, {}, opts);
        this.urls = pulumi.output({ webapp: `http://127.0.0.1:${args.config.ports.webapp}` });
        this.environment = pulumi.secret({});
        this.topology = pulumi.output("");
        this.readme = pulumi.output("");
        this.registerOutputs({ urls: this.urls });
    }
}
