/**
 * How many instances of the web application a lab may ask for. A blue/green change doubles them for a moment; 200
 * servers from one DNS answer have been measured, and the answer of at most 64 KB ends at about 480.
 */
export const maxWebAppCount = 100;

/** The smallest backend that is derived: scaling a small application never touches the balancer. */
const smallest = 16;

/** How many instances a deployment may add beside the running ones; jobs/demo-webapp.nomad.hcl says the same. */
export interface Rollout {
    /** Canaries: started beside the running instances. Default: as many as there are instances (blue/green). */
    canaries?: number;
    /** Instances that are replaced at a time after the promotion. Default 1. */
    maxParallel?: number;
}

export interface SlotOptions extends Rollout {
    /** The bare need without headroom: what a setting of the user's own must reach. */
    minimum?: boolean;
}

/**
 * Server slots that HAProxy's backend needs for `count` instances of the web application.
 *
 * HAProxy allocates a fixed number of servers and fills them from DNS; an instance beyond them gets no traffic. So
 * there must be room for the running instances, the canaries and those being replaced. The result is rounded up to a
 * power of two, so that it changes rarely: a change is a reload of HAProxy.
 */
export function slotCount(count: number, options: SlotOptions = {}): number {
    if (!Number.isInteger(count) || count < 1 || count > maxWebAppCount) {
        throw new RangeError(`webapp.count must be a whole number from 1 to ${maxWebAppCount}, not ${count}`);
    }
    const needed = count + (options.canaries ?? count) + (options.maxParallel ?? 1);
    return options.minimum ? needed : rounded(needed);
}

/**
 * The same for instances that no deployment replaces: each may be there twice, for a moment after a change of the
 * discovery or when it has moved, and one more may come.
 */
export function slotsForInstances(count: number): number {
    return rounded(2 * count + 1);
}

function rounded(needed: number): number {
    return Math.max(smallest, 2 ** Math.ceil(Math.log2(needed)));
}
