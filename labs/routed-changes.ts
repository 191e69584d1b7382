import { z } from "zod";

import type { Problem } from "../config-errors";
import { routedNodes, type RoutedSettings } from "../settings/routed";
import { noDowngrade } from "../settings/versions";
import { downFirst, keepPlace, orElse, placeSummary, same } from "./kept-place";
import {
    type LastRotations,
    nextRotations,
    rotationProblems,
    type Rotations,
    rotationsSummary,
} from "./rotations";

/** What the output `cluster` says: all that a later update may not change at will. */
const clusterSummary = placeSummary.extend({
    /** Consul's and Nomad's. */
    datacenter: z.string(),
    /** The names of the machines that vote. */
    servers: z.array(z.string()),
    /** Consul's and Nomad's. */
    versions: z.object({ consul: z.string(), nomad: z.string() }),
    /** How far what rotates step by step has come. */
    rotations: rotationsSummary,
});
export type ClusterSummary = z.output<typeof clusterSummary>;

/** What is wrong with going from one cluster to another; of the last one only what its version of the lab said. */
type Rule = (last: Partial<ClusterSummary>, next: ClusterSummary) => Problem[];

const rules: Rule[] = [
    keepQuorum,
    keepDatacenter,
    keepPlace,
    (last, next) => noDowngrade(last.versions, next.versions),
];

/** What the lab with these settings will say of itself. Pure. */
export function summariseCluster(
    settings: RoutedSettings,
    stack: string,
    rotations: Rotations,
): ClusterSummary {
    return {
        rotations,
        stack,
        datacenter: settings.datacenter,
        subnet: settings.network.subnet,
        servers: routedNodes(settings)
            .filter(({ pool }) => pool === undefined)
            .map(({ name }) => name),
        versions: settings.versions,
    };
}

/**
 * What cannot be changed in one update without the loss of a cluster, each with the way to do it. Pure.
 *
 * @param last the output `cluster` of the last update
 */
export function unsafeRoutedChanges(last: unknown, config: RoutedSettings, stack: string): Problem[] {
    const known = clusterSummary.partial().parse(last);
    const rotations = lastRotations(last);
    const next = summariseCluster(config, stack, nextRotations(rotations, config).rotations);
    return [...rules.flatMap((rule) => rule(known, next)), ...rotationProblems(rotations, config)];
}

/** How far rotations have come, as the output `cluster` of the last update says. Pure. */
export function lastRotations(last: unknown): LastRotations {
    return last === undefined ? undefined : (clusterSummary.partial().parse(last).rotations ?? null);
}

/** Of the servers that were there, most have to stay: what only the others know would be lost. */
function keepQuorum({ servers = [] }: Partial<ClusterSummary>, next: ClusterSummary): Problem[] {
    const kept = servers.filter((name) => next.servers.includes(name)).length;
    const majority = majorityOf(servers.length);
    if (servers.length === 0 || kept >= majority) {
        return [];
    }
    const wanted = next.servers.length;
    const steps = stepsBetween(servers.length, wanted);
    const way =
        steps === undefined
            ? `no safe steps lead from ${servers.length} to ${wanted}; make a new stack with servers.count ${wanted} and move over, or ${downFirst(next.stack)}`
            : `go step by step, each with an up: ${steps.join(", then ")}`;
    const message = `${wanted} keeps ${kept} of the cluster's ${servers.length} servers, and fewer than ${majority} are no quorum; ${way}`;
    return [{ path: "servers.count", message }];
}

function keepDatacenter({ datacenter }: Partial<ClusterSummary>, next: ClusterSummary): Problem[] {
    return same(datacenter, next.datacenter)
        ? []
        : [
              {
                  path: "datacenter",
                  message: `${next.datacenter}, but the cluster is the datacenter ${datacenter}, and Consul's servers take no peer of another one; ${orElse(datacenter, next)}`,
              },
          ];
}

/** The counts of servers on the way, each of them odd and most of the one before; undefined if there is no such way. */
function stepsBetween(from: number, to: number): number[] | undefined {
    const least = majorityOf(from);
    const next = Math.max(to, least % 2 === 1 ? least : least + 1);
    if (next >= from) {
        return undefined;
    }
    const rest = next === to ? [] : stepsBetween(next, to);
    return rest && [next, ...rest];
}

function majorityOf(count: number): number {
    return Math.floor(count / 2) + 1;
}
