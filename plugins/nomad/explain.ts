import type { Allocation, AllocationMetric, Deployment, TaskEvent } from "./api";

/** Events that say why a task does not run. */
const causes = new Set([
    "Setup Failure",
    "Driver Failure",
    "Failed Validation",
    "Failed Artifact Download",
    "Disk Resources Exceeded",
    "Task hook failed",
    "Failed Restoring Task",
    "Plugin became unhealthy",
    "Terminated",
    "Template",
    "Template failed",
]);
/** Events that only follow from those, shown where there is nothing better. The others just tell a task's life. */
const consequences = new Set([
    "Alloc Unhealthy",
    "Sibling Task Failed",
    "Leader Task Dead",
    "Not Restarting",
]);

const eventsPerTask = 2;
const allocationsShown = 3;

/** One line for each group whose allocations have no place, in the words of `nomad job status`. */
export function explainPlacement(failures: Record<string, AllocationMetric> | null | undefined): string[] {
    return Object.entries(failures ?? {}).map(([group, metric]) => {
        const waiting = 1 + metric.CoalescedFailures;
        return `group "${group}": ${waiting} ${waiting === 1 ? "allocation has" : "allocations have"} no place: ${obstacles(metric).join("; ")}`;
    });
}

function obstacles(metric: AllocationMetric): string[] {
    const found: string[] = [];
    if (metric.NodesEvaluated === 0) {
        found.push("no client node is ready and eligible");
    }
    for (const [datacenter, available] of Object.entries(metric.NodesAvailable ?? {})) {
        if (available === 0) {
            found.push(`no nodes are available in datacenter "${datacenter}"`);
        }
    }
    for (const [constraint, nodes] of Object.entries(metric.ConstraintFiltered ?? {})) {
        found.push(`constraint "${constraint}" excludes ${count(nodes, "node")}`);
    }
    for (const [nodeClass, nodes] of Object.entries(metric.ClassFiltered ?? {})) {
        found.push(`class "${nodeClass}" excludes ${count(nodes, "node")}`);
    }
    for (const [dimension, nodes] of Object.entries(metric.DimensionExhausted ?? {})) {
        found.push(`"${dimension}" is exhausted on ${count(nodes, "node")}`);
    }
    for (const quota of metric.QuotaExhausted ?? []) {
        found.push(`the quota "${quota}" is used up`);
    }
    return found.length > 0 ? found : ["the scheduler gives no reason"];
}

function count(number: number, what: string): string {
    return `${number} ${what}${number === 1 ? "" : "s"}`;
}

/** How far a deployment is, on one line: `web 2/3 healthy, 3 placed`. */
export function progress(deployment: Deployment): string {
    return Object.entries(deployment.TaskGroups ?? {})
        .sort(([left], [right]) => left.localeCompare(right))
        .map(([group, state]) => {
            const canaries =
                state.DesiredCanaries > 0 && !state.Promoted
                    ? ` (${state.DesiredCanaries} as canary first)`
                    : "";
            const unhealthy = state.UnhealthyAllocs > 0 ? `, ${state.UnhealthyAllocs} unhealthy` : "";
            return `${group} ${state.HealthyAllocs}/${state.DesiredTotal} healthy, ${state.PlacedAllocs} placed${unhealthy}${canaries}`;
        })
        .join("; ");
}

/** The last telling events of allocations that are not well, alike ones once. */
export function explainAllocations(allocations: readonly Allocation[]): string[] {
    const lines = new Map<string, string[]>();
    const unwell = allocations
        .filter(
            (allocation) =>
                allocation.DeploymentStatus?.Healthy === false || allocation.ClientStatus === "failed",
        )
        .concat(allocations.filter(isStuck))
        .sort((left, right) => right.ModifyIndex - left.ModifyIndex);
    for (const allocation of new Set(unwell)) {
        for (const [task, state] of Object.entries(allocation.TaskStates ?? {})) {
            const messages = tellingEvents(state.Events ?? []).map(
                (event) => `${event.Type}: ${event.DisplayMessage}`,
            );
            if (messages.length > 0) {
                const text = `task "${allocation.TaskGroup}/${task}": ${messages.join(" — ")}`;
                lines.set(text, [...(lines.get(text) ?? []), allocation.ID.slice(0, 8)]);
            }
        }
    }
    return [...lines].slice(0, allocationsShown).map(([text, ids]) => {
        const shown = ids.slice(0, 3).join(", ") + (ids.length > 3 ? ", …" : "");
        return `${text} (allocation ${shown})`;
    });
}

/** Neither healthy nor failed yet, but restarting. */
function isStuck(allocation: Allocation): boolean {
    return (
        allocation.DeploymentStatus?.Healthy == null &&
        allocation.ClientStatus !== "complete" &&
        Object.values(allocation.TaskStates ?? {}).some(
            (state) => tellingEvents(state.Events ?? []).length > 0,
        )
    );
}

function tellingEvents(events: readonly TaskEvent[]): TaskEvent[] {
    const ofKind = (kinds: ReadonlySet<string>): TaskEvent[] => {
        const latest = new Map(
            events
                .filter((event) => kinds.has(event.Type) && !isCleanExit(event))
                .map((event) => [event.Type, event]),
        );
        return [...latest.values()].slice(-eventsPerTask);
    };
    const found = ofKind(causes);
    return found.length > 0 ? found : ofKind(consequences);
}

function isCleanExit(event: TaskEvent): boolean {
    return event.Type === "Terminated" && event.Details?.exit_code === "0";
}

/** What became of the job: one sentence on the rollback, from the deployment's own words. */
export function explainRollback(deployment: Deployment, currentVersion: number | undefined): string {
    const target = /rolling back to job version (\d+)/.exec(deployment.StatusDescription)?.[1];
    if (target !== undefined) {
        const now = currentVersion === undefined ? "" : ` (now running as version ${currentVersion})`;
        return `Nomad has rolled the job back to version ${target}${now}; what ran before keeps running`;
    }
    if (/no stable job version/.test(deployment.StatusDescription)) {
        return "there was no earlier stable version to roll back to";
    }
    const revert = Object.values(deployment.TaskGroups ?? {}).some((state) => state.AutoRevert);
    return revert
        ? "the job was not rolled back"
        : "the job was not rolled back, because its update block does not set auto_revert";
}
