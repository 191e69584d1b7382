import type { EventAction } from "@linode/api-v4";

/** What goes wrong with a request. */
export type Fault =
    /** 429; `retryAfter` in seconds, default 1. */
    | { kind: "tooManyRequests"; retryAfter?: number }
    /** 503; with `maintenance` the header that tells clients not to try again. */
    | { kind: "unavailable"; maintenance?: boolean }
    /** 400 "Linode busy." */
    | { kind: "busy" }
    /** 500, which the official client tries again only for `/linode/instances/{id}/ips`. */
    | { kind: "internalError" }
    /** The connection ends without an answer, before or after the request has had its effect. */
    | { kind: "cut"; when: "before" | "after" }
    /** The server dies, before or after the effect; {@link LinodeEmulator.start} brings it back with its state. */
    | { kind: "crash"; when: "before" | "after" };

/** Which requests a fault is for. */
export interface FaultTarget {
    /** Default: any. */
    method?: "GET" | "POST" | "PUT" | "DELETE";
    /** Without the version; `*` stands for one part of it. */
    path: string;
    /** How many requests. Default 1. */
    times?: number;
}

interface Planned {
    target: FaultTarget;
    left: number;
    fault: Fault;
}

interface PlannedEvent {
    action: EventAction;
    label?: string;
    left: number;
}

/** Faults on demand, in the order in which they were asked for. */
export class Faults {
    private planned: Planned[] = [];
    private events: PlannedEvent[] = [];

    /** The next requests of a kind go wrong. */
    inject(target: FaultTarget, fault: Fault): void {
        this.planned.push({ target, left: target.times ?? 1, fault });
    }

    /** The next events of an action fail, of any instance or of the one with a label. */
    failEvent(action: EventAction, { label, times = 1 }: { label?: string; times?: number } = {}): void {
        this.events.push({ action, label, left: times });
    }

    /** Faults that no request has met yet. A test that expects 0 notices a fault that missed its target. */
    get pending(): number {
        return [...this.planned, ...this.events].reduce((sum, { left }) => sum + left, 0);
    }

    clear(): void {
        this.planned = [];
        this.events = [];
    }

    /** The fault for a request, used up by it. */
    take(method: string, path: string): Fault | undefined {
        const found = this.planned.find(
            ({ target, left }) =>
                left > 0 &&
                (target.method === undefined || target.method === method) &&
                matches(target.path, path),
        );
        if (found) {
            found.left -= 1;
        }
        return found?.fault;
    }

    /** Whether an event is to fail, used up by it. */
    takeEvent(action: EventAction, label: string | null): boolean {
        const found = this.events.find(
            (event) =>
                event.left > 0 &&
                event.action === action &&
                (event.label === undefined || event.label === label),
        );
        if (found) {
            found.left -= 1;
        }
        return found !== undefined;
    }
}

function matches(pattern: string, path: string): boolean {
    const wanted = pattern.split("/");
    const parts = path.split("/");
    return wanted.length === parts.length && wanted.every((part, i) => part === "*" || part === parts[i]);
}
