import { HttpApi, HttpError, type RequestOptions } from "../lib/http-api";
import { connection, regionOf, type NomadConfig } from "./settings";

import type { Allocation, Deployment, Evaluation, Job, JobSubmission } from "./api";

/** Where a job lives. */
export interface JobKey {
    id: string;
    namespace: string;
}

export interface Registration {
    EvalID: string;
    JobModifyIndex: number;
    Warnings: string;
}

type Wait = Pick<RequestOptions, "signal" | "timeout">;

/** The endpoints of Nomad's HTTP API that jobs and variables need. */
export class NomadClient {
    readonly api: HttpApi;
    readonly region: string | undefined;

    constructor(config: NomadConfig, environment: NodeJS.ProcessEnv = process.env) {
        this.region = regionOf(config, environment);
        this.api = new HttpApi(connection(config, environment));
    }

    /** What a specification means, as JSON; an `HttpError` of status 400 or 500 explains what is wrong with it. */
    parse(jobspec: string, variables: string, canonicalize: boolean, wait?: Wait): Promise<Job> {
        const body = { JobHCL: jobspec, Variables: variables, Canonicalize: canonicalize };
        return this.api.post<Job>("/v1/jobs/parse", body, { ...wait, ...this.query() });
    }

    register(
        job: Job,
        submission: JobSubmission,
        policyOverride: boolean,
        wait?: Wait,
    ): Promise<Registration> {
        const body = { Job: job, Submission: submission, PolicyOverride: policyOverride };
        const region = job.Region ?? this.region;
        return this.api.put<Registration>("/v1/jobs", body, {
            ...wait,
            ...this.query({ namespace: job.Namespace ?? "default", region }),
        });
    }

    async job(key: JobKey, wait?: Wait): Promise<Job | undefined> {
        return found(this.api.get<Job>(`${jobPath(key)}`, { ...wait, ...this.query(key) }));
    }

    /** The specification as it was submitted for a version; absent where another tool submitted none. */
    async submission(key: JobKey, version: number, wait?: Wait): Promise<JobSubmission | undefined> {
        const path = `${jobPath(key)}/submission`;
        return found(this.api.get<JobSubmission>(path, { ...wait, ...this.query({ ...key, version }) }));
    }

    async jobAllocations(key: JobKey, wait?: Wait): Promise<Allocation[]> {
        return (
            (await this.api.get<Allocation[]>(`${jobPath(key)}/allocations`, {
                ...wait,
                ...this.query(key),
            })) ?? []
        );
    }

    async latestDeployment(key: JobKey, wait?: Wait): Promise<Deployment | undefined> {
        const answer = await this.api.get<Deployment | null>(`${jobPath(key)}/deployment`, {
            ...wait,
            ...this.query(key),
        });
        return answer ?? undefined;
    }

    async deregister(key: JobKey, purge: boolean, wait?: Wait): Promise<void> {
        await found(this.api.delete(jobPath(key), { ...wait, ...this.query({ ...key, purge }) }));
    }

    /** Answers at once, or after a change beyond `index`, or after some seconds. */
    async evaluation(id: string, index: number, wait?: Wait): Promise<Indexed<Evaluation>> {
        return this.blocking<Evaluation>(`/v1/evaluation/${id}`, index, wait);
    }

    async deployment(id: string, index: number, wait?: Wait): Promise<Indexed<Deployment>> {
        return this.blocking<Deployment>(`/v1/deployment/${id}`, index, wait);
    }

    async deploymentAllocations(id: string, wait?: Wait): Promise<Allocation[]> {
        return (
            (await this.api.get<Allocation[]>(`/v1/deployment/allocations/${id}`, {
                ...wait,
                ...this.query(),
            })) ?? []
        );
    }

    async variable(
        path: string,
        namespace: string,
        wait?: Wait,
    ): Promise<Record<string, string> | undefined> {
        const answer = found(
            this.api.get<{ Items: Record<string, string> }>(variablePath(path), {
                ...wait,
                ...this.query({ namespace }),
            }),
        );
        return (await answer)?.Items;
    }

    async putVariable(
        path: string,
        namespace: string,
        items: Record<string, string>,
        wait?: Wait,
    ): Promise<void> {
        const body = { Namespace: namespace, Path: path, Items: items };
        await this.api.put(variablePath(path), body, { ...wait, ...this.query({ namespace }) });
    }

    async deleteVariable(path: string, namespace: string, wait?: Wait): Promise<void> {
        await found(this.api.delete(variablePath(path), { ...wait, ...this.query({ namespace }) }));
    }

    private async blocking<T>(path: string, index: number, wait?: Wait): Promise<Indexed<T>> {
        const query = { ...this.query().query, ...(index > 0 ? { index, wait: "5s" } : {}) };
        const { body, headers } = await this.api.request<T>("GET", path, { ...wait, query });
        return { value: body, index: Number(headers["x-nomad-index"] ?? 0) };
    }

    /** The query of a request about a namespace; the job's ID stands in the path. */
    private query(query: { namespace?: string; region?: string; version?: number; purge?: boolean } = {}): {
        query: RequestOptions["query"];
    } {
        const { namespace, region = this.region, version, purge } = query;
        return { query: { namespace, region, version, purge } };
    }
}

export interface Indexed<T> {
    value: T;
    index: number;
}

function jobPath(key: JobKey): string {
    return `/v1/job/${encodeURIComponent(key.id)}`;
}

function variablePath(path: string): string {
    return `/v1/var/${path.split("/").map(encodeURIComponent).join("/")}`;
}

async function found<T>(answer: Promise<T>): Promise<T | undefined> {
    try {
        return await answer;
    } catch (error) {
        if (error instanceof HttpError && error.status === 404) {
            return undefined;
        }
        throw error;
    }
}
