import * as ipaddr from "ipaddr.js";
import { z } from "zod";

import type { Problem } from "../config-errors";

/** The labs that exist; `gatehouse:lab` selects one. */
export const labs = ["nomad", "sticky", "template", "routed", "etcd"] as const;
export type LabName = (typeof labs)[number];

/** Where machines can run; `gatehouse:substrate` selects one. */
export const substrates = ["docker", "linode"] as const;
export type SubstrateName = (typeof substrates)[number];

export const port = z.int().min(1).max(65535);

export const imageReference = z
    .string()
    .regex(/^[\w.-]+(:\d+)?(\/[\w.-]+)*(:[\w.-]+)?(@sha256:[0-9a-f]{64})?$/, {
        error: "must be an image reference such as registry.example/app:1.0",
    });

/** Consul's and Nomad's datacenter. */
export const datacenter = z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]*$/, { error: "must be lower-case letters, digits and hyphens" })
    .default("dc1");

/**
 * How a lab's balancers learn of instances. `""` is the lab's default: Pulumi.yaml has one value for all labs.
 *
 * @param elsewhere forms of other labs that this one cannot have, with the reason and the remedy
 */
export function discoveryForm<const Form extends string>(
    forms: readonly Form[],
    byDefault: NoInfer<Form>,
    elsewhere: Record<string, string> = {},
) {
    const form = z
        .string()
        .refine((value) => !Object.hasOwn(elsewhere, value), {
            error: ({ input }) => elsewhere[String(input)],
            abort: true,
        })
        .pipe(z.enum(forms));
    return z.preprocess((value) => (value === "" ? undefined : value), form.default(byDefault));
}

const privateSubnet = z.string().superRefine((value, context) => {
    const problem = subnetProblem(value);
    if (problem !== undefined) {
        context.addIssue({ code: "custom", message: problem });
    }
});

/** What a lab answers to a substrate that it cannot be on. */
const onlyDocker = "the lab runs on docker alone; choose lab nomad or routed there";

/**
 * The settings that every lab has, beside its `ports`.
 *
 * @param anywhere whether the lab can be on any substrate; otherwise on docker
 */
export function commonSettings(subnet: string, { anywhere }: { anywhere: boolean }) {
    return {
        /** Which lab the stack is. */
        lab: z.enum(labs).default("nomad"),
        /** Where the lab runs. */
        substrate: z
            .enum(substrates)
            .refine((value) => anywhere || value === "docker", { error: onlyDocker })
            .default("docker"),
        /** The lab's private network. A change replaces everything. */
        network: z.strictObject({ subnet: privateSubnet.default(subnet) }).prefault({}),
    };
}

/** What {@link commonSettings} has become of. */
export interface CommonSettings {
    lab: LabName;
    substrate: SubstrateName;
    network: { subnet: string };
}

/** Two endpoints on one port. */
export function clashingPorts(ports: Record<string, number>): Problem[] {
    const problems: Problem[] = [];
    const taken = new Map<number, string>();
    for (const [name, value] of Object.entries(ports)) {
        const other = taken.get(value);
        if (other !== undefined) {
            problems.push({
                path: `ports.${name}`,
                message: `port ${value} is also ports.${other}; choose another`,
            });
        }
        taken.set(value, name);
    }
    return problems;
}

/** Endpoints on a port that a machine's SSH may get: machine N, the last octet of its address, gets ssh + N. */
export function portsAmongSsh({ ssh, ...ports }: { ssh: number } & Record<string, number>): Problem[] {
    return Object.entries(ports)
        .filter(([, value]) => value > ssh && value < ssh + 256)
        .map(([name, value]) => ({
            path: `ports.${name}`,
            message: `port ${value} lies in the range of the machines' SSH ports (${ssh + 1} to ${ssh + 255}); move it or ports.ssh`,
        }));
}

/** What is wrong with a subnet, or undefined. A /24 leaves room for the fixed places of all machines. */
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
