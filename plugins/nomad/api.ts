/** The parts of Nomad's API objects that the plugin reads; registrations pass the others through untouched. */

export interface Job {
    ID?: string;
    Name?: string;
    Namespace?: string | null;
    Region?: string | null;
    Type?: string | null;
    Datacenters?: string[] | null;
    Status?: string;
    Stop?: boolean;
    Meta?: Record<string, string> | null;
    Version?: number;
    JobModifyIndex?: number;
    TaskGroups?: TaskGroup[] | null;
    Periodic?: object | null;
    ParameterizedJob?: object | null;
    [other: string]: unknown;
}

export interface TaskGroup {
    Name?: string;
    Count?: number;
    Meta?: Record<string, string> | null;
    Tasks?: Task[] | null;
    Volumes?: Record<string, Volume> | null;
}

export interface Task {
    Name: string;
    Driver: string;
    Meta?: Record<string, string> | null;
    VolumeMounts?: { Volume?: string; Destination?: string; ReadOnly?: boolean }[] | null;
}

export interface Volume {
    Name: string;
    Type: string;
    ReadOnly: boolean;
    Source: string;
}

export interface JobSubmission {
    Source: string;
    Format: "hcl2" | "json";
    VariableFlags?: Record<string, string> | null;
}

export interface Evaluation {
    ID: string;
    Status: "pending" | "complete" | "failed" | "blocked" | "canceled" | "cancelled";
    StatusDescription: string;
    NextEval: string;
    BlockedEval: string;
    DeploymentID: string;
    CreateIndex: number;
    FailedTGAllocs?: Record<string, AllocationMetric> | null;
}

/** Why the scheduler could not place an allocation. */
export interface AllocationMetric {
    NodesEvaluated: number;
    NodesFiltered: number;
    NodesInPool?: number;
    NodesAvailable?: Record<string, number> | null;
    ConstraintFiltered?: Record<string, number> | null;
    ClassFiltered?: Record<string, number> | null;
    NodesExhausted: number;
    DimensionExhausted?: Record<string, number> | null;
    QuotaExhausted?: string[] | null;
    CoalescedFailures: number;
}

export interface Deployment {
    ID: string;
    JobVersion: number;
    Status: string;
    StatusDescription: string;
    ModifyIndex: number;
    TaskGroups: Record<string, DeploymentState>;
}

export interface DeploymentState {
    AutoRevert: boolean;
    DesiredCanaries: number;
    DesiredTotal: number;
    PlacedAllocs: number;
    HealthyAllocs: number;
    UnhealthyAllocs: number;
    Promoted: boolean;
}

export interface Allocation {
    ID: string;
    Name: string;
    NodeName: string;
    TaskGroup: string;
    JobVersion: number;
    ClientStatus: "pending" | "running" | "complete" | "failed" | "lost" | "unknown";
    DesiredStatus: string;
    ModifyIndex: number;
    DeploymentStatus?: { Healthy?: boolean | null } | null;
    TaskStates?: Record<string, TaskState> | null;
}

export interface TaskState {
    State: string;
    Failed: boolean;
    Events?: TaskEvent[] | null;
}

export interface TaskEvent {
    Type: string;
    DisplayMessage: string;
    FailsTask: boolean;
    Details?: Record<string, string> | null;
}
