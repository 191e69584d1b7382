import * as nomad from "@pulumi/nomad";
import * as pulumi from "@pulumi/pulumi";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const folder = join(__dirname, "../../jobs");

/** What a variable of a job file can be given. */
export type JobVariable = pulumi.Input<
    string | number | readonly string[] | Readonly<Record<string, number>>
>;

export interface DeployedJobArgs {
    /** The job file's name in `jobs/`, e.g. `demo-webapp.nomad.hcl`. */
    file: string;
    /** The file's variables by name; those left out keep the file's defaults. A change is a new deployment. */
    variables: Record<string, JobVariable>;
}

/**
 * The options of a job component's own resources: Pulumi hands none of these down. An ID stands once in a cluster, so
 * a replacement deletes first.
 */
export function onCluster(
    parent: pulumi.ComponentResource,
    opts: pulumi.ComponentResourceOptions = {},
): pulumi.CustomResourceOptions {
    const { dependsOn, deletedWith, replaceWith } = opts;
    return { parent, dependsOn, deletedWith, replaceWith, deleteBeforeReplace: true };
}

/**
 * Registers a job from `jobs/` and waits until its deployment is healthy; a deployment that fails is an error here. On
 * destroy the job is purged, so that Nomad keeps no trace of it.
 */
export function deployJob(
    name: string,
    args: DeployedJobArgs,
    opts: pulumi.CustomResourceOptions,
): nomad.Job {
    return new nomad.Job(
        name,
        {
            jobspec: readFileSync(join(folder, args.file), "utf8"),
            detach: false,
            purgeOnDestroy: true,
            hcl2: {
                vars: Object.fromEntries(
                    Object.entries(args.variables).map(([variable, value]) => [variable, knownText(value)]),
                ),
            },
        },
        opts,
    );
}

/**
 * The value as the official plugin takes variables: text, which HCL reads again. In a preview, one that is not known
 * yet is replaced: that plugin parses the job with what is known, and would refuse it for an unset variable.
 */
function knownText(value: JobVariable): pulumi.Output<string> {
    const output = pulumi
        .output(value as pulumi.Input<string | number | object>)
        .apply((known) => (typeof known === "object" ? JSON.stringify(known) : String(known)));
    if (!pulumi.runtime.isDryRun()) {
        return output;
    }
    return pulumi
        .output(isKnown(output))
        .apply((known) => (known ? output : pulumi.output("known-after-update")));
}

/** Every output has this promise, though it is not among the declared members. */
function isKnown(output: pulumi.Output<unknown>): Promise<boolean> {
    return (output as unknown as { isKnown: Promise<boolean> }).isKnown;
}
