import * as pulumi from "@pulumi/pulumi";
import * as ipaddr from "ipaddr.js";
import { z } from "zod";

import { maxWebAppCount, slotCount } from "./components/balancers/slots";
import { explainIssue, formatProblems, nearest, type Problem } from "./config-errors";

/** The labs that exist, and what each is; `gatehouse:lab` selects one. */
export const labs = ["nomad"] as const;
/** Where machines can run; `gatehouse:substrate` selects one. */
export const substrates = ["docker"] as const;

const port = z.int().min(1).max(65535);
const imageReference = z.string().regex(/^[\w.-]+(:\d+)?(\/[\w.-]+)*(:[\w.-]+)?(@sha256:[0-9a-f]{64})?$/, {
    error: "must be an image reference such as registry.example/app:1.0",
});
const privateSubnet = z.string().superRefine((value, context) => {
    const problem = subnetProblem(value);
    if (problem !== undefined) {
        context.addIssue({ code: "custom", message: problem });
    }
});

/**
 * Every stack setting below `gatehouse:`, with its default. The table in the README and the `config` section of
 * Pulumi.yaml say the same; a unit test compares them.
 */
export const schema = z.strictObject({
    /** Which lab the stack is. */
    lab: z.enum(labs).default("nomad"),
    /** Where the machines run. */
    substrate: z.enum(substrates).default("docker"),
    /** Consul's and Nomad's datacenter. A change replaces the machines. */
    datacenter: z
        .string()
        .regex(/^[a-z0-9][a-z0-9-]*$/, { error: "must be lower-case letters, digits and hyphens" })
        .default("dc1"),
    /** Machines that vote in Consul's and Nomad's consensus. */
    servers: z
        .strictObject({
            count: z.union([z.literal(1), z.literal(3), z.literal(5)], {
                error: "must be 1, 3 or 5: an even number of servers tolerates no more failures than one less",
            }),
        })
        .default({ count: 1 }),
    /** Machines that run jobs. With 0 the servers run them, which is meant for demo labs only. */
    clients: z.strictObject({ count: z.int().min(0).max(20) }).default({ count: 0 }),
    /** The lab's private network. A change replaces everything. */
    network: z.strictObject({ subnet: privateSubnet }).default({ subnet: "10.213.0.0/24" }),
    /** Ports on 127.0.0.1 under which the lab's endpoints are published. */
    ports: z
        .strictObject({
            webapp: port.default(8000),
            haproxyStats: port.default(1936),
            consul: port.default(8500),
            nomad: port.default(4646),
            dashboard: port.default(9002),
            registry: port.default(5001),
            /** The first of the range for the machines' SSH: machine N (the last octet of its address) gets ssh + N. */
            ssh: z.int().min(1024).max(65000).default(2200),
        })
        .prefault({}),
    /** The balanced web application. */
    webapp: z
        .strictObject({
            count: z
                .int()
                .min(1, { error: "must be at least 1" })
                .max(maxWebAppCount, {
                    error: `must be at most ${maxWebAppCount}: HAProxy's slots end there (the memory of one machine ends earlier)`,
                })
                .default(3),
            /** What it greets with: `Hello from <message>`. */
            message: z.string().min(1).max(200).default("demo-webapp"),
            /** An image of your own instead of the one built from images/hello; it must listen on $PORT and answer /health. */
            image: imageReference.optional(),
        })
        .prefault({}),
    /** The balancer. */
    haproxy: z
        .strictObject({
            /** Server slots of the backend; derived from `webapp.count` unless set. */
            slots: z.int().min(1).max(1024).optional(),
        })
        .prefault({}),
    /** The service mesh demo. */
    countdash: z
        .strictObject({
            /** Whether the dashboard may call the API through the mesh. */
            intention: z.enum(["allow", "deny"]).default("allow"),
        })
        .prefault({}),
});

export type Config = z.output<typeof schema>;

/** Reads the stack's settings; throws one error that lists all problems with their remedies. */
export function readConfig(): Config {
    const all: Record<string, string> = pulumi.runtime.allConfig();
    const prefix = `${pulumi.getProject()}:`;
    const ours = Object.entries(all).filter(([key]) => key.startsWith(prefix));
    return parseConfig(Object.fromEntries(ours.map(([key, value]) => [key.slice(prefix.length), value])));
}

/** Parses settings as Pulumi hands them over: every value a string, objects as JSON. */
export function parseConfig(raw: Record<string, string>): Config {
    const problems: Problem[] = [];
    const values: Record<string, unknown> = {};
    for (const [key, text] of Object.entries(raw)) {
        const field = schema.shape[key as keyof typeof schema.shape] as z.ZodType | undefined;
        if (field === undefined) {
            problems.push({
                path: key,
                message: `unknown setting${nearest(key, Object.keys(schema.shape))}`,
            });
        } else {
            values[key] = decode(text);
        }
    }
    const parsed = schema.safeParse(values);
    if (!parsed.success) {
        problems.push(...parsed.error.issues.flatMap((issue) => explainIssue(issue, values)));
    } else {
        problems.push(...contradictions(parsed.data));
    }
    if (problems.length > 0) {
        throw new pulumi.RunError(formatProblems(problems));
    }
    return parsed.data as Config;
}

/** Pulumi stores `webapp.count` as JSON below `webapp`, and scalars as bare text. */
function decode(text: string): unknown {
    if (/^\s*[[{]/.test(text)) {
        try {
            return JSON.parse(text);
        } catch {
            return text;
        }
    }
    return text;
}

/** Problems that only two settings together can have. */
function contradictions(config: Config): Problem[] {
    const problems: Problem[] = [];
    const taken = new Map<number, string>();
    for (const [name, value] of Object.entries(config.ports)) {
        const other = taken.get(value);
        if (other !== undefined) {
            problems.push({
                path: `ports.${name}`,
                message: `port ${value} is also ports.${other}; choose another`,
            });
        }
        taken.set(value, name);
    }
    for (const [value, name] of taken) {
        if (name !== "ssh" && value > config.ports.ssh && value < config.ports.ssh + 256) {
            problems.push({
                path: `ports.${name}`,
                message: `port ${value} lies in the range of the machines' SSH ports (${config.ports.ssh + 1} to ${config.ports.ssh + 255}); move it or ports.ssh`,
            });
        }
    }
    const needed = slotCount(config.webapp.count, { minimum: true });
    if (config.haproxy.slots !== undefined && config.haproxy.slots < needed) {
        problems.push({
            path: "haproxy.slots",
            message: `${config.haproxy.slots} slots cannot hold ${config.webapp.count} instances and their canaries; set at least ${needed}, or remove the setting to have it derived`,
        });
    }
    return problems;
}

/** What is wrong with a subnet, or undefined. A /26 leaves room for the fixed places of all machines. */
function subnetProblem(value: string): string | undefined {
    if (!ipaddr.IPv4.isValidCIDR(value)) {
        return `must be an IPv4 subnet such as 10.213.0.0/24`;
    }
    const [address, length] = ipaddr.IPv4.parseCIDR(value);
    if (ipaddr.IPv4.networkAddressFromCIDR(value).toString() !== address.toString()) {
        return `must be a network's first address: ${ipaddr.IPv4.networkAddressFromCIDR(value).toString()}/${length}`;
    }
    if (address.range() !== "private") {
        return "must be a private subnet: in 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16";
    }
    if (length > 24 || length < 16) {
        return "must be between /16 and /24, so that every machine name has an address of its own";
    }
    return undefined;
}
