/**
 * How long a lease has to be at least, in whole seconds. It is renewed after a third of it; if members do not answer, all
 * of them are asked once within half of it, and the last sixth is for the one that does answer (files/registration.py).
 * A busy member needs a quarter of a second, a connection that was kept is tried twice, and etcd itself makes no lease
 * shorter than one and a half of its election time-outs: 2 s. Pure.
 */
export function shortestLease(endpoints: number): number {
    const busy = 0.25;
    return Math.max(2, Math.ceil(2 * busy * (endpoints + 1)));
}
