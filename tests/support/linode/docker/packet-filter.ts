import type { FirewallRules, FirewallRuleType } from "@linode/api-v4";

/**
 * A Cloud Firewall as `iptables-restore` reads it. It works in the mangle table, before the machine's own address
 * translation: what is published by a container in the machine is filtered, too. Only the interfaces to the outside count, and
 * what belongs to a known connection passes, as on the real platform.
 *
 * @param rules none for a machine without a firewall: everything passes.
 */
export function renderPacketFilter(rules: FirewallRules | undefined): string {
    const lines = ["*mangle", ":PREROUTING ACCEPT [0:0]", ":POSTROUTING ACCEPT [0:0]"];
    if (rules) {
        lines.push(
            ":LINODE-IN - [0:0]",
            ":LINODE-OUT - [0:0]",
            "-A PREROUTING -i eth+ -j LINODE-IN",
            "-A POSTROUTING -o eth+ -j LINODE-OUT",
            ...chain("LINODE-IN", "-s", rules.inbound ?? [], rules.inbound_policy),
            ...chain("LINODE-OUT", "-d", rules.outbound ?? [], rules.outbound_policy),
        );
    }
    return [...lines, "COMMIT", ""].join("\n");
}

function chain(name: string, side: "-s" | "-d", rules: FirewallRuleType[], policy: string): string[] {
    return [
        `-A ${name} -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN`,
        ...rules.flatMap((rule) => ruleLines(name, side, rule)),
        `-A ${name} -j ${target(policy)}`,
    ];
}

function ruleLines(
    name: string,
    side: "-s" | "-d",
    { action, protocol, ports, addresses }: FirewallRuleType,
): string[] {
    const match = [
        `-p ${protocolName(protocol ?? "ALL")}`,
        ...(ports ? [`-m multiport --dports ${ports.replaceAll(" ", "").replaceAll("-", ":")}`] : []),
    ].join(" ");
    return (addresses?.ipv4 ?? []).map(
        (address) => `-A ${name} ${side} ${address} ${match} -j ${target(action ?? "ACCEPT")}`,
    );
}

const target = (action: string): string => (action === "ACCEPT" ? "RETURN" : "DROP");

const protocolName = (protocol: string): string =>
    protocol === "IPENCAP" ? "ipencap" : protocol.toLowerCase();
