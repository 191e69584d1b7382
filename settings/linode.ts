import { isDeepStrictEqual } from "node:util";

import * as ipaddr from "ipaddr.js";
import { z } from "zod";

import type { Problem } from "../config-errors";
import type { CommonSettings } from "./common";

/** What NodeBalancers and private addresses use: no VPC may have addresses of it. */
const privateRange = "192.168.128.0/17";

/** The widest networks that operators may come from: what is wider is as good as everybody. */
const widest = { ipv4: 8, ipv6: 32 };

const word = (what: string, example: string) =>
    z.string().regex(/^[a-z0-9][a-z0-9-]*$/, { error: `must be ${what} such as ${example}` });

const operatorsNetwork = z.string().superRefine((value, context) => {
    const problem = networkProblem(value);
    if (problem !== undefined) {
        context.addIssue({ code: "custom", message: problem });
    }
});

/** `gatehouse:linode`: how the lab's machines are there. Only of stacks whose substrate is Linode. */
export const linodeSettings = z
    .strictObject({
        /**
         * Where everything is. A change replaces everything. It needs Linodes, VPCs, Metadata, Cloud Firewall, and
         * NodeBalancers and Placement Group where those are used.
         */
        region: word("the id of a region", "nl-ams").default("nl-ams"),
        /** The machines' plan. A change replaces them, one after the other. The default has 2 GB, which the labs need. */
        type: word("the id of a plan", "g6-standard-1").default("g6-standard-1"),
        /** What the machines boot: one of Linode's own images of Debian, or your own. A change replaces the machines. */
        image: z
            .string()
            .regex(/^(linode|private)\/[\w.-]+$/, {
                error: "must be the id of an image such as linode/debian12",
            })
            .default("linode/debian12"),
        /** The networks that operators come from. Default: the address that the program itself is seen with. */
        operators: z
            .array(operatorsNetwork)
            .min(1, { error: "must name at least one network; remove the setting to use your own address" })
            .optional(),
        /** Linode's backups of the machines, for a quarter of the price more. */
        backups: z.boolean().default(false),
        /** Whether a NodeBalancer spreads requests over all machines that run jobs. Otherwise the first one takes them. */
        nodeBalancer: z.boolean().default(false),
        /** Names for the lab. Default: none. */
        dns: z
            .strictObject({
                /** A domain of the account: the lab is `<stack>.<domain>`, its machines `<machine>.<stack>.<domain>`. */
                domain: z.string().regex(/^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,}$/, {
                    error: "must be a domain of the account such as example.org",
                }),
            })
            .optional(),
        /** Whether servers are kept on different hosts. Default: where there are 2 to 5, the most that a group may have. */
        placementGroup: z.boolean().optional(),
        /** How long the lab is meant to live, such as 48h or 7d. Default: until somebody takes it down. */
        ttl: z
            .string()
            .regex(/^[1-9]\d{0,4}[hd]$/, { error: "must be hours or days such as 48h or 7d" })
            .optional(),
    })
    .prefault({});

export type LinodeSettings = z.output<typeof linodeSettings>;

/** The most members that Linode allows a placement group in most regions. */
const groupSize = 5;

/** Whether this many servers go to a placement group. */
export function keepsApart(
    { placementGroup }: Pick<LinodeSettings, "placementGroup">,
    servers: number,
): boolean {
    return placementGroup ?? (servers > 1 && servers <= groupSize);
}

/** What is wrong with a lab's settings on Linode, or with having Linode's elsewhere. */
export function linodeContradictions({
    substrate,
    network,
    linode,
    servers,
}: Pick<CommonSettings, "substrate" | "network"> & {
    linode: LinodeSettings;
    servers: { count: number };
}): Problem[] {
    if (substrate !== "linode") {
        return isDeepStrictEqual(linode, linodeSettings.parse(undefined))
            ? []
            : [
                  {
                      path: "linode",
                      message: `has no effect on ${substrate}; set gatehouse:substrate to linode, or remove it`,
                  },
              ];
    }
    return [
        ...(overlaps(network.subnet, privateRange)
            ? [
                  {
                      path: "network.subnet",
                      message: `${network.subnet} overlaps ${privateRange}, which Linode keeps for private addresses; choose another, such as 10.213.0.0/24`,
                  },
              ]
            : []),
        ...(linode.placementGroup === true && servers.count > groupSize
            ? [
                  {
                      path: "linode.placementGroup",
                      message: `a placement group has at most ${groupSize} members, but servers.count is ${servers.count}; remove the setting, or choose fewer servers`,
                  },
              ]
            : []),
    ];
}

function overlaps(a: string, b: string): boolean {
    const [first, firstLength] = ipaddr.IPv4.parseCIDR(a);
    const [second, secondLength] = ipaddr.IPv4.parseCIDR(b);
    return first.match(second, Math.min(firstLength, secondLength));
}

function networkProblem(value: string): string | undefined {
    if (!ipaddr.isValidCIDR(value)) {
        return "must be a network such as 203.0.113.7/32 or 2001:db8::/48";
    }
    const [address, length] = ipaddr.parseCIDR(value);
    if (length < widest[address.kind()]) {
        return (
            `lets nearly everybody in, to endpoints that are for operators; name the networks that you come from ` +
            `(at most /${widest[address.kind()]}), or remove the setting to use your own address`
        );
    }
    return undefined;
}
