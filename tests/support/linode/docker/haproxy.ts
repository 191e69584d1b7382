import type { Balancer, BalancerPort } from "../driver";

/** Where a balancer tells how its nodes are. */
export const statisticsSocket = "/run/haproxy/statistics.sock";

/** A node as its balancer sees it. */
export interface NodeState {
    up: boolean;
    /** Connections that it was given since the balancer's configuration last changed. */
    sessions: number;
}

/**
 * A NodeBalancer as an HAProxy configuration. HTTPS and UDP are not emulated.
 *
 * @throws for a port that is not emulated.
 */
export function renderBalancer({ ports }: Balancer): string {
    return [
        "global",
        "    log stdout format raw local0 warning",
        `    stats socket ${statisticsSocket} mode 600 level user`,
        "defaults",
        "    log global",
        "    timeout connect 5s",
        "    timeout client 60s",
        "    timeout server 60s",
        // HAProxy wants at least one; a NodeBalancer may have no port yet.
        "listen idle",
        "    mode tcp",
        "    bind 127.0.0.1:1",
        ...ports.flatMap(portLines),
        "",
    ].join("\n");
}

function portLines(port: BalancerPort): string[] {
    if (port.protocol !== "tcp" && port.protocol !== "http") {
        throw new Error(
            `port ${port.port}: the protocol ${port.protocol} is not emulated, only tcp and http`,
        );
    }
    const { check } = port;
    const seconds = `inter ${check.interval}s fall ${check.attempts} rise 1`;
    // The first failure counts; a check brings the node back.
    const passive = `observe layer${port.protocol === "http" ? 7 : 4} error-limit 1 on-error mark-down`;
    return [
        `listen port-${port.port}`,
        `    mode ${port.protocol}`,
        `    bind :${port.port}`,
        `    balance ${port.algorithm}`,
        ...(port.protocol === "http" ? ["    option forwardfor"] : []),
        ...(port.stickiness === "table"
            ? ["    stick-table type ip size 10k expire 30m", "    stick on src"]
            : []),
        ...(port.stickiness === "http_cookie" ? ["    cookie NB_SRVID insert indirect nocache"] : []),
        ...(check.kind === "none" ? [] : [`    timeout check ${check.timeout}s`]),
        ...(check.kind.startsWith("http") ? [`    option httpchk GET ${quoted(check.path)}`] : []),
        ...(check.kind === "http_body" ? [`    http-check expect rstring ${quoted(check.body)}`] : []),
        ...port.nodes
            .filter(({ mode }) => mode !== "reject")
            .map(({ id, address, weight, mode }) =>
                [
                    `    server node-${id} ${address} weight ${mode === "drain" ? 0 : weight}`,
                    ...(mode === "backup" ? ["backup"] : []),
                    ...(check.kind === "none" ? [] : [`check ${seconds}`]),
                    ...(check.kind === "none" || !check.passive ? [] : [passive]),
                    ...(port.proxyProtocol === "v1" ? ["send-proxy"] : []),
                    ...(port.proxyProtocol === "v2" ? ["send-proxy-v2"] : []),
                    ...(port.stickiness === "http_cookie" ? [`cookie node-${id}`] : []),
                ].join(" "),
            ),
    ];
}

/**
 * The nodes of a port by their id.
 *
 * @param text what HAProxy answers to `show stat`: a table with commas
 */
export function nodeStates(text: string, port: number): Map<number, NodeState> {
    const [head = "", ...lines] = text.replace(/^# /, "").trim().split("\n");
    const columns = head.split(",");
    const cell = (cells: string[], column: string): string => cells[columns.indexOf(column)] ?? "";
    return new Map(
        lines
            .map((line) => line.split(","))
            .filter(
                (cells) =>
                    cell(cells, "pxname") === `port-${port}` && cell(cells, "svname").startsWith("node-"),
            )
            .map((cells) => [
                Number(cell(cells, "svname").slice("node-".length)),
                { up: /^(UP|no check)/.test(cell(cells, "status")), sessions: Number(cell(cells, "stot")) },
            ]),
    );
}

const quoted = (text: string): string => `"${text.replace(/[\\"]/g, "\\$&").replaceAll("$", "\\$")}"`;
