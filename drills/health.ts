/** What ought to be there. */
export interface Expected {
    servers: string[];
    clients: string[];
    /** Instances of each routed service. */
    routed: Record<string, number>;
    /** Allocations of each job, by group. */
    jobs: Record<string, Record<string, number>>;
}

export interface AutopilotHealth {
    Healthy: boolean;
    Servers: { Name: string; Healthy: boolean; Voter: boolean; SerfStatus: string }[] | null;
}

export interface NomadNode {
    ID: string;
    Name: string;
    Status: string;
    SchedulingEligibility: string;
    Drain: boolean;
}

export interface NomadJob {
    ID: string;
    Type: string;
    Stop: boolean;
    JobSummary: { Summary: Record<string, { Running: number }> | null } | null;
}

/** What the agents' APIs say. */
export interface Seen {
    consul: AutopilotHealth;
    nomad: AutopilotHealth;
    /** Machines whose agent Consul takes for dead. */
    dead: string[];
    nodes: NomadNode[];
    jobs: NomadJob[];
    /** Instances of each routed service that pass. */
    passing: Record<string, number>;
}

/** What is missing to full health, in words; empty when nothing is. Pure. */
export function missing(expected: Expected, seen: Seen): string[] {
    const { servers, clients } = expected;
    return [
        ...unwell("Consul", seen.consul, servers),
        ...unwell("Nomad", seen.nomad, servers),
        ...[...servers, ...clients]
            .filter((name) => seen.dead.includes(name))
            .map((name) => `Consul's agent on ${name} does not answer its peers`),
        ...clients.flatMap((name) => notReady(name, seen.nodes)),
        ...Object.entries(expected.jobs).flatMap(([job, groups]) => notRunning(job, groups, seen.jobs)),
        ...Object.entries(expected.routed)
            .filter(([name, count]) => (seen.passing[name] ?? 0) < count)
            .map(([name, count]) => `${seen.passing[name] ?? 0} of ${count} instances of ${name} pass`),
    ];
}

function unwell(what: string, { Healthy, Servers }: AutopilotHealth, expected: string[]): string[] {
    // Nomad calls a server by its name and region.
    const known = new Map((Servers ?? []).map((each) => [each.Name.replace(/\.[^.]*$/, ""), each]));
    const found = expected.flatMap((name) => {
        const server = known.get(name);
        if (server === undefined) {
            return [`${what} has lost ${name}`];
        }
        if (!server.Voter) {
            return [`${what} on ${name} does not vote`];
        }
        return server.Healthy ? [] : [`${what} on ${name} is not healthy (${server.SerfStatus})`];
    });
    const strangers = [...known.keys()].filter((name) => !expected.includes(name));
    return [
        ...found,
        ...strangers.map((name) => `${what} has a server too many: ${name}`),
        ...(Healthy || found.length > 0 ? [] : [`${what}'s Autopilot is not satisfied`]),
    ];
}

function notReady(name: string, nodes: NomadNode[]): string[] {
    const node = nodes.find((each) => each.Name === name && each.Status === "ready");
    if (node === undefined) {
        return [`Nomad's client ${name} is not ready`];
    }
    if (node.Drain) {
        return [`Nomad's client ${name} drains`];
    }
    return node.SchedulingEligibility === "eligible" ? [] : [`Nomad's client ${name} is not eligible`];
}

function notRunning(name: string, groups: Record<string, number>, jobs: NomadJob[]): string[] {
    const summary = jobs.find(({ ID }) => ID === name)?.JobSummary?.Summary ?? {};
    return Object.entries(groups)
        .filter(([group, count]) => (summary[group]?.Running ?? 0) < count)
        .map(
            ([group, count]) =>
                `${summary[group]?.Running ?? 0} of ${count} allocations of ${name}/${group} run`,
        );
}

export interface JobSpecification {
    TaskGroups: {
        Name: string;
        Count: number;
        Services: { Name: string; Tags: string[] | null }[] | null;
        Tasks: { Services: { Name: string; Tags: string[] | null }[] | null }[];
    }[];
}

/** What the jobs, as they are written, want to be running and routed. Pure. */
export function wanted(jobs: Record<string, JobSpecification>): Pick<Expected, "jobs" | "routed"> {
    const routed: Record<string, number> = {};
    const groups: Expected["jobs"] = {};
    for (const [job, { TaskGroups }] of Object.entries(jobs)) {
        groups[job] = Object.fromEntries(TaskGroups.map(({ Name, Count }) => [Name, Count]));
        for (const { Count, Services, Tasks } of TaskGroups) {
            for (const { Name, Tags } of [Services, ...Tasks.map((task) => task.Services)].flatMap(
                (each) => each ?? [],
            )) {
                if (Tags?.includes("routed")) {
                    routed[Name] = (routed[Name] ?? 0) + Count;
                }
            }
        }
    }
    return { jobs: groups, routed };
}
