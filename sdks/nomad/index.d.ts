import * as pulumi from "@pulumi/pulumi";

import type { inputs, outputs } from "./types";

export * from "./acl";
export * from "./places";
export { inputs, outputs };

/** How the Nomad API is reached. Resources that name no provider use the stack's `nomad:` configuration. */
export declare class Provider extends pulumi.ProviderResource {
    static isInstance(obj: unknown): obj is Provider;
    readonly address: pulumi.Output<string>;
    readonly caFile: pulumi.Output<string | undefined>;
    readonly caPem: pulumi.Output<string | undefined>;
    readonly certFile: pulumi.Output<string | undefined>;
    readonly certPem: pulumi.Output<string | undefined>;
    readonly httpAuth: pulumi.Output<string | undefined>;
    readonly keyFile: pulumi.Output<string | undefined>;
    readonly keyPem: pulumi.Output<string | undefined>;
    readonly region: pulumi.Output<string | undefined>;
    readonly secretId: pulumi.Output<string | undefined>;
    constructor(name: string, args: ProviderArgs, opts?: pulumi.ResourceOptions);
}

export interface ProviderArgs {
    /** URL of any agent, e.g. `http://127.0.0.1:4646`; servers and clients both answer. */
    address: pulumi.Input<string>;
    /** Path of the PEM file with the certificate authority that signed the agent's certificate. */
    caFile?: pulumi.Input<string | undefined>;
    /** The certificate authority itself, PEM-encoded; instead of `caFile`. */
    caPem?: pulumi.Input<string | undefined>;
    /** Path of the client certificate's PEM file, for clusters with mutual TLS; needs a key. */
    certFile?: pulumi.Input<string | undefined>;
    /** The client certificate itself, PEM-encoded; instead of `certFile`. */
    certPem?: pulumi.Input<string | undefined>;
    /** Headers that every request carries. */
    headers?: pulumi.Input<pulumi.Input<inputs.ProviderHeader>[] | undefined>;
    /** HTTP basic authentication, `user` or `user:password`. */
    httpAuth?: pulumi.Input<string | undefined>;
    /** Names of `NOMAD_*` environment variables that the plugin must not read. */
    ignoreEnvVars?: pulumi.Input<{ [key: string]: pulumi.Input<boolean> } | undefined>;
    /** Path of the client certificate's key. */
    keyFile?: pulumi.Input<string | undefined>;
    /** The client certificate's key itself, PEM-encoded; instead of `keyFile`. */
    keyPem?: pulumi.Input<string | undefined>;
    /** The cluster's region; default: that of the agent. */
    region?: pulumi.Input<string | undefined>;
    /** Secret id of the ACL token. */
    secretId?: pulumi.Input<string | undefined>;
    /** Accept any certificate. */
    skipVerify?: pulumi.Input<boolean | undefined>;
}

/** A job, registered from its specification and, with `detach: false`, waited for until it is deployed. */
export declare class Job extends pulumi.CustomResource {
    /** Reads a job that something else manages; `id` is the job's ID. */
    static get(
        name: string,
        id: pulumi.Input<pulumi.ID>,
        state?: JobState,
        opts?: pulumi.CustomResourceOptions,
    ): Job;
    static isInstance(obj: unknown): obj is Job;
    /** @deprecated Empty unless `readAllocationIds` is set. */
    readonly allocationIds: pulumi.Output<string[]>;
    readonly datacenters: pulumi.Output<string[]>;
    /** With `detach: false`: the deployment of the last create or update, if there was one. */
    readonly deploymentId: pulumi.Output<string>;
    /** With `detach: false`: how that deployment ended. */
    readonly deploymentStatus: pulumi.Output<string>;
    readonly deregisterOnDestroy: pulumi.Output<boolean | undefined>;
    readonly deregisterOnIdChange: pulumi.Output<boolean | undefined>;
    readonly detach: pulumi.Output<boolean | undefined>;
    readonly hcl2: pulumi.Output<outputs.JobHcl2 | undefined>;
    readonly jobspec: pulumi.Output<string>;
    readonly json: pulumi.Output<boolean | undefined>;
    /** Rises with every registration of the job. */
    readonly modifyIndex: pulumi.Output<string>;
    /** The job's ID. */
    readonly name: pulumi.Output<string>;
    readonly namespace: pulumi.Output<string>;
    readonly policyOverride: pulumi.Output<boolean | undefined>;
    readonly purgeOnDestroy: pulumi.Output<boolean | undefined>;
    readonly readAllocationIds: pulumi.Output<boolean | undefined>;
    readonly region: pulumi.Output<string>;
    readonly rerunIfDead: pulumi.Output<boolean | undefined>;
    /** `pending`, `running` or `dead`. */
    readonly status: pulumi.Output<string>;
    readonly taskGroups: pulumi.Output<outputs.JobTaskGroup[]>;
    /** `service`, `batch`, `system` or `sysbatch`. */
    readonly type: pulumi.Output<string>;
    constructor(name: string, args: JobArgs, opts?: pulumi.CustomResourceOptions);
}

export interface JobArgs {
    /** The job specification in HCL, or in JSON with `json: true`. A changed job ID or namespace replaces the job. */
    jobspec: pulumi.Input<string>;
    /** Deregister the job when the resource is deleted; default true. */
    deregisterOnDestroy?: pulumi.Input<boolean | undefined>;
    /**
     * Whether a changed job ID replaces the job (the old one is deregistered); default true. Otherwise the old job
     * stays in the cluster.
     */
    deregisterOnIdChange?: pulumi.Input<boolean | undefined>;
    /** Return once the job is registered, without waiting for its deployment; default true. */
    detach?: pulumi.Input<boolean | undefined>;
    /** How the HCL specification is parsed. */
    hcl2?: pulumi.Input<inputs.JobHcl2 | undefined>;
    /** The specification is JSON; default false. */
    json?: pulumi.Input<boolean | undefined>;
    /** Register even though soft-mandatory Sentinel policies fail; default false. */
    policyOverride?: pulumi.Input<boolean | undefined>;
    /** Purge the job on deletion, so that it vanishes from `nomad job status`; default false. */
    purgeOnDestroy?: pulumi.Input<boolean | undefined>;
    /** @deprecated Fill `allocationIds`; default false. */
    readAllocationIds?: pulumi.Input<boolean | undefined>;
    /** Register the job again when it is found `dead`, e.g. stopped by hand; default false. */
    rerunIfDead?: pulumi.Input<boolean | undefined>;
}

/** What `Job.get` may be told besides the ID. */
export interface JobState extends Partial<JobArgs> {
    allocationIds?: pulumi.Input<pulumi.Input<string>[] | undefined>;
    datacenters?: pulumi.Input<pulumi.Input<string>[] | undefined>;
    deploymentId?: pulumi.Input<string | undefined>;
    deploymentStatus?: pulumi.Input<string | undefined>;
    modifyIndex?: pulumi.Input<string | undefined>;
    name?: pulumi.Input<string | undefined>;
    namespace?: pulumi.Input<string | undefined>;
    region?: pulumi.Input<string | undefined>;
    status?: pulumi.Input<string | undefined>;
    taskGroups?: pulumi.Input<outputs.JobTaskGroup[] | undefined>;
    type?: pulumi.Input<string | undefined>;
}

/** A Nomad variable: secret key-value pairs that jobs read through templates. */
export declare class Variable extends pulumi.CustomResource {
    /** Reads a variable that something else manages; `id` is `<path>@<namespace>`. */
    static get(
        name: string,
        id: pulumi.Input<pulumi.ID>,
        state?: VariableState,
        opts?: pulumi.CustomResourceOptions,
    ): Variable;
    static isInstance(obj: unknown): obj is Variable;
    /** Secret. */
    readonly items: pulumi.Output<{ [key: string]: string }>;
    readonly namespace: pulumi.Output<string | undefined>;
    readonly path: pulumi.Output<string>;
    constructor(name: string, args: VariableArgs, opts?: pulumi.CustomResourceOptions);
}

export interface VariableArgs {
    /** The key-value pairs; always stored as a secret. */
    items: pulumi.Input<{ [key: string]: pulumi.Input<string> }>;
    /** Default `default`. A change replaces the variable. */
    namespace?: pulumi.Input<string | undefined>;
    /**
     * Up to 128 letters, digits and `-_~/`; below `nomad/` only `nomad/jobs…` and `nomad/job-templates/<name>`.
     * A change replaces the variable.
     */
    path: pulumi.Input<string>;
}

export type VariableState = Partial<VariableArgs>;
