import type * as linode from "@pulumi/linode";
import * as ipaddr from "ipaddr.js";

import { ports, type PortRule } from "../../security/ports";
import type { PublishedPort } from "../machine";

/** Where NodeBalancers call from: https://techdocs.akamai.com/cloud-computing/docs/configure-nodebalancers */
export const balancerSource = "192.168.255.0/24";

/** The only ports that may be open to everybody. */
const publicPorts = [ports.http.from, ports.https.from];

/** The most ports of one rule; a range counts as two. */
const portsPerRule = 15;

export interface FirewallRulesArgs {
    /** What operators and users may reach, beside SSH. */
    published: readonly PublishedPort[];
    /** What the lab's other machines may reach. */
    peers: readonly PortRule[];
    /** The operators' networks. */
    operators: readonly string[];
    /** The lab's own network. */
    subnet: string;
    /** Whether users come through a NodeBalancer only. */
    balanced: boolean;
}

type Rule = linode.types.input.FirewallInbound;
type Protocol = PortRule["protocols"][number];
type Span = Pick<PortRule, "from" | "to">;

/**
 * What a machine's firewall lets in; everything else is dropped. There is a rule for each kind of caller and protocol, for
 * a firewall has 25 at most. Pure.
 *
 * @throws when a port that is neither 80 nor 443 is to be open to everybody, or no operator could come in.
 */
export function firewallRules(args: FirewallRulesArgs): Rule[] {
    const { published, peers, operators, subnet } = args;
    const of = (audience: PublishedPort["audience"]): Span[] =>
        published.filter((each) => each.audience === audience).map(({ port }) => ({ from: port, to: port }));
    if (operators.length === 0) {
        throw new Error("A firewall needs the networks that operators come from.");
    }
    const open = of("public");
    for (const { from } of open) {
        if (!publicPorts.includes(from)) {
            throw new Error(
                `Port ${from} is for the public, but a firewall opens ${publicPorts.join(" and ")} alone to everybody; ` +
                    `publish it for operators.`,
            );
        }
    }
    const spoken = (protocol: Protocol) => peers.filter(({ protocols }) => protocols.includes(protocol));
    return [
        ...rules("operators", "SSH and endpoints, from operators' networks", "tcp", operators, [
            ports.ssh,
            ...of("operators"),
        ]),
        ...(args.balanced
            ? rules("balancers", "HAProxy, from NodeBalancers", "tcp", [balancerSource], open)
            : rules("public", "HAProxy, from everywhere", "tcp", ["0.0.0.0/0", "::/0"], open)),
        ...(["tcp", "udp"] as const).flatMap((protocol) =>
            rules("peers", "The lab's machines among themselves", protocol, [subnet], spoken(protocol)),
        ),
    ];
}

function rules(
    callers: string,
    description: string,
    protocol: Protocol,
    sources: readonly string[],
    spans: readonly Span[],
): Rule[] {
    const [ipv4s, ipv6s] = (["ipv4", "ipv6"] as const).map((kind) =>
        sources.filter((source) => ipaddr.parseCIDR(source)[0].kind() === kind),
    );
    return portLists(spans).map((list, index) => ({
        label: `${callers}-${protocol}${index === 0 ? "" : `-${index + 1}`}`,
        description,
        action: "ACCEPT",
        protocol: protocol.toUpperCase(),
        ports: list,
        ...(ipv4s!.length > 0 && { ipv4s }),
        ...(ipv6s!.length > 0 && { ipv6s }),
    }));
}

/** The ports in Linode's words, such as `22, 8300-8303`, in as many lists as they take. */
function portLists(spans: readonly Span[]): string[] {
    const lists: { words: string[]; size: number }[] = [];
    for (const { from, to } of joined(spans)) {
        const size = from === to ? 1 : 2;
        let last = lists.at(-1);
        if (last === undefined || last.size + size > portsPerRule) {
            last = { words: [], size: 0 };
            lists.push(last);
        }
        last.words.push(from === to ? String(from) : `${from}-${to}`);
        last.size += size;
    }
    return lists.map(({ words }) => words.join(", "));
}

/** In order, with what touches or overlaps as one. */
function joined(spans: readonly Span[]): Span[] {
    const result: { from: number; to: number }[] = [];
    for (const { from, to } of [...spans].sort((a, b) => a.from - b.from)) {
        const last = result.at(-1);
        if (last !== undefined && from <= last.to + 1) {
            last.to = Math.max(last.to, to);
        } else {
            result.push({ from, to });
        }
    }
    return result;
}
