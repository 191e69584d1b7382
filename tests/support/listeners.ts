import { type PortName, type PortRule, ports } from "../../components/security/ports";
import type { RoutedLab } from "./routed-lab";

/** Something that a machine listens on. */
export interface Listener {
    protocol: "tcp" | "udp";
    address: string;
    port: number;
    process: string;
}

/** Where outgoing UDP sockets begin (net.ipv4.ip_local_port_range): a resolver that asks has some for a moment. */
const firstOutgoing = 32768;

/** Everything in the machine's own namespace that takes connections or packets. */
export async function listenersOf(lab: RoutedLab, machine: string): Promise<Listener[]> {
    const text = await lab.on(
        machine,
        "ss",
        "--no-header",
        "--listening",
        "--numeric",
        "--tcp",
        "--udp",
        "--processes",
    );
    return text
        .split("\n")
        .filter((line) => line !== "")
        .map((line): Listener => {
            const [protocol = "", , , , local = ""] = line.split(/\s+/);
            const [, address = "", port = ""] = /^(.*):(\d+)$/.exec(local) ?? [];
            return {
                protocol: protocol === "udp" ? "udp" : "tcp",
                address: address.replace(/%.*$/, ""),
                port: Number(port),
                process: /"([^"]+)"/.exec(line)?.[1] ?? "?",
            };
        })
        .filter(({ protocol, port }) => protocol === "tcp" || port < firstOutgoing);
}

export function isLoopback({ address }: Listener): boolean {
    return address.startsWith("127.") || address === "[::1]";
}

/** The row of the port table that a listener belongs to. */
export function rowOf({ port, protocol }: Listener): PortName | undefined {
    const rows = Object.entries(ports) as [PortName, PortRule][];
    return rows.find(
        ([, rule]) => rule.from <= port && port <= rule.to && rule.protocols.includes(protocol),
    )?.[0];
}
