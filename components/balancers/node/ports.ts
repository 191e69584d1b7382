import { ports } from "../../security/ports";
import { operatorsPorts } from "./operators";

/** Where the guard's counters are answered for, to HAProxy on the same machine. */
const metricsPort = 9101;

/** Consul's DNS on the same machine, as dnsmasq writes it. */
export const consulDns = `127.0.0.1#${ports.consulDns.from}`;

/**
 * Ports from 1024 to 19999 that no service may have with its tag `tcp=PORT`: the cluster's own, wherever on a node they
 * are. Above are those that Nomad gives to allocations (20000 to 32000) and those of outgoing connections.
 */
export const reservedPorts: readonly number[] = [
    ...Object.entries(ports)
        // The registry is on a machine of its own.
        .filter(([name, { from, to }]) => name !== "registry" && from === to && from >= 1024)
        .map(([, { from }]) => from),
    ...Object.values(operatorsPorts),
    metricsPort,
]
    .filter((port, index, all) => all.indexOf(port) === index)
    .sort((a, b) => a - b);
