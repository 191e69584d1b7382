import { boolean, list, object, set, string, UNKNOWN, type Property } from "../lib";
import { refuseDuration, sameDuration } from "../lib/duration";

import type { CatalogCheck } from "./catalog";

/** A member of `checks`, defaults filled in. */
export interface Check {
    checkId: string;
    name: string;
    notes?: string;
    /** What the check's status is until somebody looks; the monitor's verdicts are not read back. */
    status?: string;
    http?: string;
    tcp?: string;
    headers?: { name: string; values: string[] }[];
    method: string;
    tlsSkipVerify: boolean;
    interval: string;
    timeout: string;
    deregisterCriticalServiceAfter: string;
}

const duration = { validate: refuseDuration, same: sameDuration };

/** The property `checks`: a set, as the official plugin has it. */
export const checks: Property = set(
    object({
        checkId: string({ required: true }),
        name: string({ required: true }),
        notes: string(),
        status: string({ computed: true }),
        http: string(),
        tcp: string(),
        headers: set(
            object({ name: string({ required: true }), values: list(string(), { required: true }) }),
        ),
        method: string({ default: "GET" }),
        tlsSkipVerify: boolean({ default: false }),
        interval: string({ required: true, ...duration }),
        timeout: string({ required: true, ...duration }),
        deregisterCriticalServiceAfter: string({ default: "30s", ...duration }),
    }),
);

/** What is wrong with a check beside its single properties. */
export function refuseCheck({ http, tcp }: Partial<Check>): string | undefined {
    return http !== undefined &&
        tcp !== undefined &&
        [http, tcp].every((value) => value !== (UNKNOWN as unknown))
        ? "asks for http and tcp in the same check; make it two checks"
        : undefined;
}

/**
 * What Consul is asked to register. Without a status of its own a new check is critical until somebody has looked.
 * `live` is the same check as the catalogue has it: registering anew must not throw away what a monitor has found out,
 * or every change of a tag would take the service out until the next verdict.
 */
export function toCatalog(
    check: Check,
    where: { node: string; serviceId: string },
    live?: CatalogCheck,
): Record<string, unknown> {
    const headers = new Map<string, string[]>();
    for (const { name, values } of check.headers ?? []) {
        headers.set(name, [...(headers.get(name) ?? []), ...values]);
    }
    return {
        Node: where.node,
        ServiceID: where.serviceId,
        CheckID: check.checkId,
        Name: check.name,
        Notes: check.notes ?? "",
        Status: live?.Status ?? check.status ?? "",
        Output: live?.Output ?? "",
        Definition: {
            HTTP: check.http ?? "",
            TCP: check.tcp ?? "",
            Header: Object.fromEntries(headers),
            Method: check.method,
            TLSSkipVerify: check.tlsSkipVerify,
            Interval: check.interval,
            Timeout: check.timeout,
            DeregisterCriticalServiceAfter: check.deregisterCriticalServiceAfter,
        },
    };
}

/** A check as the program would have written it; `asked` is what it did write, and lends the initial status. */
export function fromCatalog(
    { CheckID, Name, Notes, Definition }: CatalogCheck,
    asked?: Check,
): Partial<Check> {
    return {
        checkId: CheckID,
        name: Name,
        notes: Notes || undefined,
        status: asked?.status,
        http: Definition.HTTP || undefined,
        tcp: Definition.TCP || undefined,
        headers: Object.entries(Definition.Header ?? {}).map(([name, values]) => ({ name, values })),
        method: Definition.Method || "GET",
        tlsSkipVerify: Definition.TLSSkipVerify ?? false,
        interval: Definition.Interval ?? "0s",
        timeout: Definition.Timeout ?? "0s",
        deregisterCriticalServiceAfter: Definition.DeregisterCriticalServiceAfter ?? "0s",
    };
}
