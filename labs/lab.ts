import type * as pulumi from "@pulumi/pulumi";

/** What every lab tells its user; the program exports it as the stack's outputs. */
export interface Lab {
    /** Where to look, by name: `webapp`, `consul` … */
    readonly urls: pulumi.Output<Record<string, string>>;
    readonly jobs: pulumi.Output<Record<string, JobSummary>>;
    readonly machines: pulumi.Output<MachineSummary[]>;
    /** Secret: environment variables for the command lines of the lab's systems. */
    readonly environment: pulumi.Output<Record<string, string>>;
    /** A Mermaid diagram. */
    readonly topology: pulumi.Output<string>;
    /** Markdown. */
    readonly readme: pulumi.Output<string>;
}

export interface JobSummary {
    status: string;
    url?: string;
}

export interface MachineSummary {
    name: string;
    roles: string[];
    privateAddress: string;
    publicAddress: string;
    bootSeconds: number;
}
