import type { Context } from "../lib";
import type { NomadClient } from "./client";
import type { JobOutputs } from "./job-outputs";

export interface Inputs {
    jobspec: string;
    json?: boolean;
    hcl2?: { allowFs?: boolean; vars?: Record<string, string> };
    detach: boolean;
    deregisterOnDestroy: boolean;
    deregisterOnIdChange: boolean;
    policyOverride?: boolean;
    purgeOnDestroy?: boolean;
    readAllocationIds: boolean;
    rerunIfDead: boolean;
}

export type State = Inputs & JobOutputs;

export type JobContext = Context<NomadClient>;
