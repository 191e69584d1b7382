import type { Job, TaskGroup } from "./api";

export interface JobOutputs {
    allocationIds: string[];
    datacenters: string[];
    deploymentId: string;
    deploymentStatus: string;
    modifyIndex: string;
    name: string;
    namespace: string;
    region: string;
    status: string;
    taskGroups: TaskGroupOutput[];
    type: string;
}

interface TaskGroupOutput {
    name: string;
    count: number;
    meta: Record<string, string>;
    tasks: {
        name: string;
        driver: string;
        meta: Record<string, string>;
        volumeMounts: { volume: string; destination: string; readOnly: boolean }[];
    }[];
    volumes: { name: string; type: string; readOnly: boolean; source: string }[];
}

/** What the job specification alone decides. */
export function specifiedOutputs(
    job: Job,
): Pick<JobOutputs, "name" | "namespace" | "type" | "datacenters" | "taskGroups"> {
    return {
        name: job.ID ?? "",
        namespace: job.Namespace || "default",
        type: job.Type ?? "service",
        datacenters: job.Datacenters ?? [],
        taskGroups: (job.TaskGroups ?? []).map(taskGroup),
    };
}

/** What the cluster says about a registered job. */
export function observedOutputs(
    job: Job,
): Omit<JobOutputs, "allocationIds" | "deploymentId" | "deploymentStatus"> {
    return {
        ...specifiedOutputs(job),
        region: job.Region ?? "",
        status: job.Status ?? "",
        modifyIndex: String(job.JobModifyIndex ?? 0),
    };
}

function taskGroup(group: TaskGroup): TaskGroupOutput {
    return {
        name: group.Name ?? "",
        count: group.Count ?? 1,
        meta: group.Meta ?? {},
        tasks: (group.Tasks ?? []).map((task) => ({
            name: task.Name,
            driver: task.Driver,
            meta: task.Meta ?? {},
            volumeMounts: (task.VolumeMounts ?? []).map((mount) => ({
                volume: mount.Volume ?? "",
                destination: mount.Destination ?? "",
                readOnly: mount.ReadOnly ?? false,
            })),
        })),
        volumes: Object.values(group.Volumes ?? {})
            .map((volume) => ({
                name: volume.Name,
                type: volume.Type,
                readOnly: volume.ReadOnly,
                source: volume.Source,
            }))
            .sort((left, right) => (left.name < right.name ? -1 : 1)),
    };
}
