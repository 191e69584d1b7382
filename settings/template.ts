import { z } from "zod";

import type { Problem } from "../config-errors";
import { template as place } from "../toolchain/labs.json";
import { clashingPorts, commonSettings, datacenter, discoveryForm, port } from "./common";
import { duration, guardSettings, milliseconds, type GuardSettings, tooManyReloads } from "./guard";

export { milliseconds, oldWorkers, seconds } from "./guard";

/** Its number is the instance's place in the lab's network: see {@link instanceNumber}. */
const instanceName = z.string().regex(/^[a-z]([a-z-]{0,26}[a-z])?[1-9]\d{0,2}$/, {
    error: "must be lower-case letters and a number, such as web3",
});

/** The most that an instance's number may be: the last part of its address is that number and ten. */
export const maxInstanceNumber = 200;

/** Settings of the `template` lab. */
export const templateSettings = z.strictObject({
    ...commonSettings(place.subnet, { anywhere: false }),
    /** Ports on 127.0.0.1 under which the lab's endpoints are published. */
    ports: z
        .strictObject({
            webapp: port.default(place.ports.webapp),
            haproxyStats: port.default(place.ports.haproxyStats),
            consul: port.default(place.ports.consul),
        })
        .prefault({}),
    /** Consul's datacenter. A change replaces Consul. */
    datacenter,
    /** The web servers by the id that Consul knows them by. Adding or removing one touches no other. */
    instances: z
        .record(
            instanceName,
            z.strictObject({
                /** The port that it listens on, inside the lab's network. */
                port: z.int().min(1024).max(65535),
            }),
        )
        .refine((instances) => Object.keys(instances).length > 0, {
            error: "must name at least one instance",
        })
        .default({ web1: { port: 8001 }, web2: { port: 8002 } }),
    /** The health check that Consul's catalogue holds for each instance. */
    check: z.strictObject({ interval: duration.default("5s"), timeout: duration.default("5s") }).prefault({}),
    /**
     * How HAProxy learns of instances: they are rendered into its configuration, it hears of them from Consul itself, or
     * it asks Consul's DNS (docs/template.md). A change is a reload, which loses no request.
     */
    discovery: discoveryForm(["template", "events", "dns"], "template"),
    /** What keeps a list of instances that is suddenly short from taking the others out of use. */
    guard: guardSettings,
});

export type TemplateSettings = z.output<typeof templateSettings>;

/** What of the guard counts in which form of discovery. */
const guardOf: Record<TemplateSettings["discovery"], (keyof GuardSettings)[]> = {
    template: ["minimumShare", "hold", "reloadGap", "reloadBurst"],
    events: ["minimumShare", "hold"],
    dns: [],
};

/** The number at the end of an instance's name. */
export function instanceNumber(name: string): number {
    return Number(/\d+$/.exec(name)?.[0]);
}

/** Problems that only several settings together can have. */
export function templateContradictions(settings: TemplateSettings): Problem[] {
    const problems = [
        ...clashingPorts(settings.ports),
        ...(settings.discovery === "template" ? tooManyReloads(settings.guard, "guard") : []),
        ...withoutEffect(settings),
    ];
    const owners = new Map<number, string>();
    for (const name of Object.keys(settings.instances)) {
        const number = instanceNumber(name);
        const owner = owners.get(number);
        if (number > maxInstanceNumber) {
            problems.push({
                path: `instances.${name}`,
                message: `numbers end at ${maxInstanceNumber}; choose a smaller one`,
            });
        } else if (owner !== undefined) {
            problems.push({
                path: `instances.${name}`,
                message: `has the number of ${owner}, and so its address; give each instance a number of its own`,
            });
        }
        owners.set(number, name);
    }
    return problems;
}

/** Settings of the guard that the form of discovery does not know; Pulumi.yaml's defaults are nobody's wish. */
function withoutEffect({ discovery, guard }: TemplateSettings): Problem[] {
    const defaults = guardSettings.parse({});
    const inTime = (value: string | number): string | number =>
        typeof value === "string" ? milliseconds(value) : value;
    return guardOf.template
        .filter((key) => !guardOf[discovery].includes(key) && inTime(guard[key]) !== inTime(defaults[key]))
        .map((key) => ({
            path: `guard.${key}`,
            message:
                `has no effect with gatehouse:discovery ${discovery}; remove it, or choose ` +
                (guardOf.events.includes(key) ? "discovery template or events" : "discovery template"),
        }));
}
