import * as pulumi from "@pulumi/pulumi";

import type { Endpoint, Machine } from "../components/machines/machine";
import type { JobSummary, MachineSummary } from "./lab";

/** An address of a machine or an ingress, known only once the given jobs are deployed. */
export function endpointUrl(
    place: { endpoint(port: number): pulumi.Output<Endpoint> },
    port: number,
    ...deployed: pulumi.Output<string>[]
): pulumi.Output<string> {
    return pulumi
        .all([place.endpoint(port), pulumi.all(deployed)])
        .apply(([{ host, port: at }]) => `http://${host}${at === 80 ? "" : `:${at}`}`);
}

/** What a summary needs of a job resource. */
export interface DeployedJob {
    name: pulumi.Output<string>;
    status: pulumi.Output<string>;
}

/** The jobs by name, each with the address of `urls` that shows it. */
export function summariseJobs(
    urls: pulumi.Output<Record<string, string>>,
    deployed: { job: DeployedJob; url: string }[],
): pulumi.Output<Record<string, JobSummary>> {
    const summaries = deployed.map(({ job, url: key }) =>
        pulumi.all([job.name, job.status, urls]).apply(([name, status, addresses]) => ({
            name,
            summary: { status, url: addresses[key] } as JobSummary,
        })),
    );
    return pulumi
        .all(summaries)
        .apply((all) => Object.fromEntries(all.map(({ name, summary }) => [name, summary])));
}

export function summariseMachine(machine: Machine): pulumi.Output<MachineSummary> {
    return pulumi
        .all([machine.privateAddress, machine.publicAddress, machine.ready])
        .apply(([privateAddress, publicAddress, { bootSeconds }]) => ({
            name: machine.name,
            roles: machine.roles,
            privateAddress,
            publicAddress,
            bootSeconds,
        }));
}
