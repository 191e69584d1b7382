import { object, resource, string, type Failure } from "../lib";
import { read, remove, write, type Policy } from "./acl";

import type { NomadClient } from "./client";

interface Inputs {
    name: string;
    description?: string;
    rulesHcl: string;
    jobAcl?: { namespace: string; jobId: string; group?: string; task?: string };
}

export const aclPolicy = resource<NomadClient, Inputs, Inputs>({
    inputs: {
        name: string({ autoName: true, replace: true }),
        description: string(),
        rulesHcl: string({ required: true }),
        jobAcl: object({
            namespace: string({ default: "default" }),
            jobId: string({ required: true }),
            group: string(),
            task: string(),
        }),
    },

    check: (_context, { jobAcl }) => {
        const failures: Failure[] = [];
        if (jobAcl?.task && !jobAcl.group) {
            failures.push({ property: "jobAcl.task", reason: '"jobAcl.task" needs "jobAcl.group" as well' });
        }
        return failures;
    },

    create: async (context, inputs) => {
        await write(context, path(inputs.name), what(inputs.name), bodyOf(inputs));
        return { id: inputs.name, outputs: {} };
    },

    read: async (context, id) => {
        const found = await read<Policy>(context, path(id));
        return (
            found && {
                outputs: {},
                inputs: {
                    name: found.Name,
                    description: found.Description,
                    rulesHcl: found.Rules,
                    jobAcl: observedJob(found.JobACL),
                },
            }
        );
    },

    update: async (context, id, _state, news) => {
        await write(context, path(id), what(id), bodyOf(news));
        return {};
    },

    delete: async (context, id) => remove(context, path(id), what(id)),
});

const path = (name: string): string => `/v1/acl/policy/${encodeURIComponent(name)}`;
const what = (name: string): string => `ACL policy "${name}"`;

function bodyOf({ name, description = "", rulesHcl, jobAcl }: Inputs): Policy {
    return {
        Name: name,
        Description: description,
        Rules: rulesHcl,
        JobACL: jobAcl && {
            Namespace: jobAcl.namespace,
            JobID: jobAcl.jobId,
            Group: jobAcl.group ?? "",
            Task: jobAcl.task ?? "",
        },
    };
}

function observedJob(job: Policy["JobACL"]): Inputs["jobAcl"] {
    return job?.JobID
        ? {
              namespace: job.Namespace,
              jobId: job.JobID,
              ...(job.Group ? { group: job.Group } : {}),
              ...(job.Task ? { task: job.Task } : {}),
          }
        : undefined;
}
