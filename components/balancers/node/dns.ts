import type { NodeAddress } from "../../clusters/node";
import type { NodeConfiguration } from "../../clusters/node-files";
import { consulDns } from "./ports";
import { asset, program, unitFile } from "./assets";

export interface NodeDnsArgs {
    node: NodeAddress;
    /** The cluster's network, e.g. `10.218.0.0/24`: the names of its addresses are Consul's. */
    network: string;
    /** All names below it are this node's balancer. */
    domain: string;
}

const unit = "dnsmasq.service";

/**
 * dnsmasq, as the resolver of a machine and of the containers on it. Pure.
 *
 * | question | answer |
 * |---|---|
 * | `<anything>.<domain>` | this machine's private address, where its balancer is |
 * | `*.consul`, and the names of the network's addresses | from the Consul agent on this machine |
 * | everything else | from whom the machine asked before |
 */
export function nodeDns(args: NodeDnsArgs): NodeConfiguration {
    const owner = "root:root";
    return {
        files: [
            {
                path: "/etc/dnsmasq.conf",
                content: dnsmasqConfiguration(args),
                mode: "0644",
                owner,
                unit: { name: unit, change: "restart" },
            },
            program("resolver", asset("resolver")),
            unitFile(unit),
        ],
        units: [{ name: unit, check: ["dnsmasq", "--test", "--conf-file=/etc/dnsmasq.conf"] }],
    };
}

export function dnsmasqConfiguration({ node, network, domain }: NodeDnsArgs): string {
    return [
        "# This machine's resolver. It serves names and nothing else.",
        "user=dnsmasq",
        "group=nogroup",
        "pid-file=/run/dnsmasq/dnsmasq.pid",
        "",
        "# Containers reach the machine by its private address; their own loopback is not this one.",
        "bind-dynamic",
        `listen-address=127.0.0.1,${node.address}`,
        "",
        "# Every service is behind the balancer of whoever asks. `local`: no such question goes anywhere else, and one for an",
        "# IPv6 address is told that there is none.",
        `address=/${domain}/${node.address}`,
        `local=/${domain}/`,
        "",
        "# Consul's own names.",
        `server=/consul/${consulDns}`,
        `rev-server=${network},${consulDns}`,
        "",
        "# Whom the machine asked before (/usr/local/lib/gatehouse/resolver).",
        "resolv-file=/run/dnsmasq/upstream.conf",
        "# Names that this machine has for itself, such as 127.0.1.1, would be wrong in containers.",
        "no-hosts",
        "cache-size=500",
        "# A service that was not there a moment ago may be there now.",
        "no-negcache",
        "",
    ].join("\n");
}
