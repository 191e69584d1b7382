import type { FirewallRules, FirewallRuleType, UpdateFirewallRules } from "@linode/api-v4";
import { createHash } from "node:crypto";

import { invalid } from "../errors";
import { label, listOfAll, oneOf, optional, text, type Schema } from "../schema";

/** Documented limits of a firewall. */
const mostRules = 25;
const mostAddresses = 255;
const mostPorts = 15;

const ruleSchema: Schema = {
    type: "object",
    properties: {
        action: oneOf("ACCEPT", "DROP"),
        protocol: oneOf("TCP", "UDP", "ICMP", "IPENCAP"),
        label: optional(label(3, 32)),
        description: optional({ ...text, maxLength: 100, minLength: 0 }),
        ports: optional(text),
        addresses: {
            type: ["object", "null"],
            properties: { ipv4: listOfAll(text), ipv6: listOfAll(text) },
        },
    },
    required: ["action", "protocol"],
};

const policy = oneOf("ACCEPT", "DROP");

export const rulesSchema = {
    inbound: listOfAll(ruleSchema),
    outbound: listOfAll(ruleSchema),
    inbound_policy: policy,
    outbound_policy: policy,
};

/** A firewall's rules as they are kept, after everything that JSON schema cannot check. */
export function checkedRules(wanted: UpdateFirewallRules, version: number, field: string): FirewallRules {
    const inbound = wanted.inbound ?? [];
    const outbound = wanted.outbound ?? [];
    if (inbound.length + outbound.length > mostRules) {
        throw invalid(field, `Must have at most ${mostRules} rules, inbound and outbound together`);
    }
    inbound.forEach((rule, index) => checkRule(rule, `${field}.inbound[${index}]`));
    outbound.forEach((rule, index) => checkRule(rule, `${field}.outbound[${index}]`));
    const rules = {
        inbound,
        inbound_policy: wanted.inbound_policy,
        outbound,
        outbound_policy: wanted.outbound_policy,
    };
    const fingerprint = createHash("sha256").update(JSON.stringify(rules)).digest("hex").slice(0, 8);
    return { ...rules, fingerprint, version };
}

function checkRule({ protocol, ports, addresses }: FirewallRuleType, field: string): void {
    const { ipv4 = [], ipv6 = [] } = addresses ?? {};
    if (ports && protocol !== "TCP" && protocol !== "UDP") {
        throw invalid(`${field}.ports`, `ports are not allowed for ${protocol}`);
    }
    if (ports) {
        checkPorts(ports, `${field}.ports`);
    }
    const all = [...(ipv4 ?? []), ...(ipv6 ?? [])];
    if (all.length === 0) {
        throw invalid(`${field}.addresses`, "Must have at least one IPv4 or IPv6 address or range");
    }
    if (all.length > mostAddresses) {
        throw invalid(`${field}.addresses`, `Must have at most ${mostAddresses} addresses`);
    }
    for (const address of ipv4 ?? []) {
        // Unlike subnets, rules may have host bits: 203.0.113.7/24 is taken as its network.
        if (!isIpv4(address)) {
            throw invalid(`${field}.addresses.ipv4`, `${address} is not a valid IPv4 address or range`);
        }
    }
    for (const address of ipv6 ?? []) {
        if (!/^[0-9a-f:.]+(\/(\d|[1-9]\d|1[01]\d|12[0-8]))?$/i.test(address) || !address.includes(":")) {
            throw invalid(`${field}.addresses.ipv6`, `${address} is not a valid IPv6 address or range`);
        }
    }
}

function isIpv4(text: string): boolean {
    const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(\/(\d|[12]\d|3[0-2]))?$/.exec(text);
    return match !== null && match.slice(1, 5).every((part) => Number(part) <= 255);
}

/** `22`, `80, 443` or `8000-8100`: up to 15 ports, of which a range counts as two. */
function checkPorts(ports: string, field: string): void {
    let count = 0;
    for (const part of ports.split(",").map((one) => one.trim())) {
        const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part);
        const first = Number(match?.[1]);
        const last = match?.[2] === undefined ? first : Number(match[2]);
        if (!match || first < 1 || last > 65535 || first > last) {
            throw invalid(field, "Ports must be numbers of 1-65535 or ranges of them, separated by commas");
        }
        count += match[2] === undefined ? 1 : 2;
    }
    if (count > mostPorts) {
        throw invalid(field, `Must have at most ${mostPorts} ports; a range counts as two`);
    }
}
