import * as pulumi from "@pulumi/pulumi";

import type { inputs, outputs } from "./types";

/** A namespace of jobs and variables. Without jobs that run, it can be removed. */
export declare class Namespace extends pulumi.CustomResource {
    /** Reads one that something else manages; `id` is its name. */
    static get(
        name: string,
        id: pulumi.Input<pulumi.ID>,
        state?: NamespaceState,
        opts?: pulumi.CustomResourceOptions,
    ): Namespace;
    static isInstance(obj: unknown): obj is Namespace;
    readonly capabilities: pulumi.Output<outputs.NamespaceCapabilities | undefined>;
    readonly description: pulumi.Output<string | undefined>;
    readonly meta: pulumi.Output<{ [key: string]: string } | undefined>;
    readonly name: pulumi.Output<string>;
    readonly quota: pulumi.Output<string | undefined>;
    constructor(name: string, args?: NamespaceArgs, opts?: pulumi.CustomResourceOptions);
}

export interface NamespaceArgs {
    capabilities?: pulumi.Input<inputs.NamespaceCapabilities | undefined>;
    description?: pulumi.Input<string | undefined>;
    meta?: pulumi.Input<{ [key: string]: pulumi.Input<string> } | undefined>;
    /** Default: named after the resource. A change replaces. */
    name?: pulumi.Input<string | undefined>;
    /** Needs Nomad Enterprise. */
    quota?: pulumi.Input<string | undefined>;
}

export type NamespaceState = Partial<NamespaceArgs>;

/** Nodes that only jobs which name the pool are placed on. */
export declare class NodePool extends pulumi.CustomResource {
    /** Reads one that something else manages; `id` is its name. */
    static get(
        name: string,
        id: pulumi.Input<pulumi.ID>,
        state?: NodePoolState,
        opts?: pulumi.CustomResourceOptions,
    ): NodePool;
    static isInstance(obj: unknown): obj is NodePool;
    readonly description: pulumi.Output<string | undefined>;
    readonly meta: pulumi.Output<{ [key: string]: string } | undefined>;
    readonly name: pulumi.Output<string>;
    readonly schedulerConfig: pulumi.Output<outputs.NodePoolSchedulerConfig | undefined>;
    constructor(name: string, args?: NodePoolArgs, opts?: pulumi.CustomResourceOptions);
}

export interface NodePoolArgs {
    /** At most 256 characters. */
    description?: pulumi.Input<string | undefined>;
    meta?: pulumi.Input<{ [key: string]: pulumi.Input<string> } | undefined>;
    /** 1 to 128 characters; default: named after the resource. A change replaces. */
    name?: pulumi.Input<string | undefined>;
    /** Needs Nomad Enterprise. */
    schedulerConfig?: pulumi.Input<inputs.NodePoolSchedulerConfig | undefined>;
}

export type NodePoolState = Partial<NodePoolArgs>;
