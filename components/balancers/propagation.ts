import {
    allowances,
    events,
    haproxyChecks,
    keepAlive,
    nomadTemplate,
    resolvers,
    serviceCheck,
} from "./timings";

/** How long HAProxy's resolver keeps what it knows after what kind of answer; seconds. */
export interface ResolverHold {
    /** After an answer that lacks an instance. */
    obsolete: number;
    /** After an answer that there is no instance at all. */
    nx: number;
    /** While nobody answers; also what a new worker took over, until it is found in an answer. */
    timeout: number;
    /** After a refusal. */
    refused: number;
    /** After any other error, such as SERVFAIL. */
    other: number;
}

/** How a balancer learns of instances, with the settings that count for the time that it takes. */
export type Discovery =
    /** HAProxy asks Consul's DNS. */
    | { form: "dns"; hold?: Partial<ResolverHold> }
    /** HAProxy's Lua holds a question open at Consul. */
    | { form: "events"; holdSeconds?: number }
    /** Nomad renders HAProxy's configuration (`nomad`), or consul-template does, with the guard behind it (`guard`). */
    | { form: "template"; by: "nomad" }
    | { form: "template"; by: "guard"; holdSeconds?: number };

export interface PropagationArgs {
    discovery: Discovery;
    /** Consul's check of an instance, in seconds. Default: that of jobs/demo-webapp.nomad.hcl. */
    check?: { interval: number; timeout: number };
}

/** One part of a span. */
export interface Term {
    /** What is waited for. */
    what: string;
    /** At the worst. */
    seconds: number;
    /** The setting that says so, as it is called where it is set; or `allowance`. */
    from: string;
}

/** A span at its worst, and what it is the sum of. */
export interface Span {
    seconds: number;
    terms: Term[];
}

/** How long an instance may still get requests, at the worst. Seconds. */
export interface Propagation {
    discovery: Discovery["form"];
    /** From its deregistration to the last request that is sent to it. */
    deregistration: Span;
    /**
     * From the end of its process to the last attempt to reach it. Its connections are refused, so that clients notice
     * nothing: HAProxy sends what was refused to the next instance (`redispatch`, `retries`).
     */
    death: Span;
    /**
     * From the moment that it, or its machine, answers nothing more without closing a connection, to the last request
     * that is sent to it. A request that it has taken by then waits for `timeout server`.
     */
    silence: Span;
    /** When a deregistered instance that still answers gets requests for longer, and until when. */
    exceptions: Exception[];
}

export interface Exception {
    when: string;
    seconds: number;
    /** As in {@link Term}. */
    from: string;
}

/**
 * The worst case, term by term, of the time that a balancer needs to notice that an instance is gone. Pure: the terms
 * are settings and {@link allowances}; Consul and HAProxy are taken to be up.
 */
export function propagation({ discovery, check = serviceCheck }: PropagationArgs): Propagation {
    const deregistration = [
        allowance("Consul's catalogue forgets the instance", allowances.consul),
        ...heard(discovery),
    ];
    const interval = term("Consul's check comes round", check.interval, "check interval");
    const unanswered = term("Consul's check waits for an answer", check.timeout, "check timeout");
    return {
        discovery: discovery.form,
        deregistration: sum(deregistration),
        death: shorter(checked(discovery, 0), [interval, ...deregistration]),
        silence: shorter(checked(discovery, longestCheck()), [interval, unanswered, ...deregistration]),
        exceptions: exceptions(discovery),
    };
}

/** From Consul's new answer to the last request. */
function heard(discovery: Discovery): Term[] {
    const taken = allowance("HAProxy takes it over", allowances.haproxy);
    switch (discovery.form) {
        case "dns":
            return [...asked(discovery.hold?.obsolete ?? resolvers.hold.obsolete), taken];
        case "events":
            return [term("a question that broke is asked again", events.pause, "first_pause"), taken];
        case "template": {
            const pause = allowance("consul-template pauses between answers", allowances.consulTemplate);
            return discovery.by === "guard"
                ? [pause, allowance("the guard looks, and tells HAProxy", allowances.guard), taken]
                : [
                      pause,
                      term("Nomad collects changes", nomadTemplate.waitMax, "wait max"),
                      ...(nomadTemplate.splay > 0
                          ? [term("Nomad waits before it reloads", nomadTemplate.splay, "splay")]
                          : []),
                      allowance("HAProxy is reloaded", allowances.reload),
                  ];
        }
    }
}

function asked(obsolete: number): Term[] {
    return [
        term("HAProxy asks again", resolvers.timeoutResolve, "timeout resolve"),
        term("a question that was lost is asked again", resolvers.timeoutRetry, "timeout retry"),
        ...(obsolete > 0
            ? [
                  term("what is no longer named is kept", obsolete, "hold obsolete"),
                  term("the next answer ends that", resolvers.timeoutResolve, "timeout resolve"),
              ]
            : []),
    ];
}

/** HAProxy's own checks, when each of those that fail takes so many seconds. */
function checked(discovery: Discovery, duration: number): Term[] {
    const { inter, fastinter, fall } = haproxyChecks;
    const spread = 1 + (discovery.form === "template" && discovery.by === "guard" ? haproxyChecks.spread : 0);
    const more = fall - 1;
    return [
        term("HAProxy's check comes round", inter * spread, "inter"),
        ...(more > 0
            ? [
                  term(
                      `${more} more ${more === 1 ? "check" : "checks"}`,
                      more * fastinter * spread,
                      "fastinter",
                  ),
              ]
            : []),
        ...(duration > 0
            ? [term(`${fall} checks wait for an answer`, fall * duration, "timeout check, timeout connect")]
            : []),
        allowance("HAProxy takes it out", allowances.haproxy),
    ];
}

/** A check of somebody who says nothing ends at its connection, or at its answer. */
function longestCheck(): number {
    const { inter, timeoutConnect, timeoutCheck } = haproxyChecks;
    return Math.max(Math.min(inter, timeoutConnect), timeoutCheck);
}

function exceptions(discovery: Discovery): Exception[] {
    switch (discovery.form) {
        case "dns": {
            const { nx, timeout } = { ...resolvers.hold, ...discovery.hold };
            return [
                { when: "it was the last instance", seconds: nx, from: "hold nx" },
                { when: "HAProxy is reloaded at that moment", seconds: timeout, from: "hold timeout" },
            ];
        }
        case "events":
            return [mostAtOnce(discovery)];
        case "template":
            return discovery.by === "guard"
                ? [mostAtOnce(discovery)]
                : [
                      {
                          when: "a client's connection is idle at the reload: one request more",
                          seconds: keepAlive,
                          from: "timeout http-keep-alive",
                      },
                  ];
    }
}

function mostAtOnce({ holdSeconds }: { holdSeconds?: number }): Exception {
    return { when: "most instances go at once", seconds: holdSeconds ?? events.hold, from: "guard hold" };
}

/** The way that is faster at its worst: the other one comes too late to count. */
function shorter(...ways: Term[][]): Span {
    const [first, ...others] = ways.map(sum);
    return others.reduce((best, way) => (way.seconds < best.seconds ? way : best), first!);
}

function sum(terms: Term[]): Span {
    return { seconds: rounded(terms.reduce((all, { seconds }) => all + seconds, 0)), terms };
}

function term(what: string, seconds: number, from: string): Term {
    return { what, seconds: rounded(seconds), from };
}

function allowance(what: string, seconds: number): Term {
    return term(what, seconds, "allowance");
}

/** To milliseconds: sums of tenths are not exact. */
function rounded(seconds: number): number {
    return Math.round(seconds * 1000) / 1000;
}

/** A span in words: `0.9 s (0.5 s Consul's catalogue forgets the instance, 0.1 s HAProxy asks again, …)`. */
export function described({ seconds, terms }: Span): string {
    return `${seconds} s (${terms.map(({ what, seconds: part }) => `${part} s ${what}`).join(", ")})`;
}
