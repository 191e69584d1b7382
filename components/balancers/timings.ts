/**
 * What the templates and job files of this project say of time, in seconds: the terms of {@link propagation}. Each is
 * written down twice, here and in the file that it names, and a unit test compares the two.
 */

/** HAProxy's own checks: `default-server check` and the timeouts beside it; the same in every template. */
export const haproxyChecks = {
    /** `inter`: from one check of a server that is up to the next. */
    inter: 1,
    /** `fastinter`: the same after a check that failed, until the verdict. */
    fastinter: 0.2,
    /** `fall`: checks in a row that must fail. A count, no seconds. */
    fall: 2,
    /** `timeout connect`; a check waits for it or for `inter`, whichever is shorter. */
    timeoutConnect: 1,
    /** `timeout check`: how long a check then waits for the answer. */
    timeoutCheck: 1,
    /** `spread-checks` in the templates of consul-template: the share by which intervals differ. A share, no seconds. */
    spread: 0.05,
};

/** The section `resolvers` in jobs/haproxy.nomad.hcl. */
export const resolvers = {
    /** `timeout resolve`: from one answer to the next question. On 2.1 and later `hold valid` no longer sets it. */
    timeoutResolve: 0.1,
    /** `timeout retry`: until a question without an answer is asked again. */
    timeoutRetry: 0.2,
    /** `hold`: see `ResolverHold`. */
    hold: { obsolete: 0, nx: 30, timeout: 30, refused: 30, other: 30 },
};

/** components/balancers/events/events.lua, and its settings in jobs/haproxy.nomad.hcl. */
export const events = {
    /** `first_pause`: after a question that broke, at the most. */
    pause: 0.1,
    /** `guard.hold`: how long an answer is held back that lacks most instances. */
    hold: 60,
};

/** How Nomad renders HAProxy's configuration: `wait` and `splay` of the template in jobs/haproxy.nomad.hcl. */
export const nomadTemplate = { waitMax: 0.5, splay: 0 };

/** `timeout http-keep-alive`: how long a client's idle connection is kept, in a worker from before a reload, too. */
export const keepAlive = 10;

/** Consul's check of the web application in jobs/demo-webapp.nomad.hcl. */
export const serviceCheck = { interval: 2, timeout: 2 };

/** `shutdown_delay` in jobs/demo-webapp.nomad.hcl. */
export const shutdownDelay = 2;

/**
 * What no setting bounds: programs' own work, on a machine that is not starved. Measured, and rounded up with room
 * (docs/benchmarks.md).
 */
export const allowances = {
    /** From the call to a catalogue that answers without the instance; single trials took half a second. */
    consul: 0.5,
    /** From an answer to requests, inside HAProxy. */
    haproxy: 0.1,
    /** consul-template, which Nomad has inside, pauses after an answer: `minDelayBetweenUpdates` and its dither. */
    consulTemplate: 0.12,
    /** The guard's scripts, `haproxy -c`, and the commands to the running HAProxy. */
    guard: 0.3,
    /** `docker exec` of `haproxy-reload`, `haproxy -c`, and a worker that starts. */
    reload: 0.5,
};
