import type { CreateNodeBalancerConfig, NodeBalancer, NodeBalancerConfig } from "@linode/api-v4";

import { invalid } from "../errors";
import { entityOf, type Platform } from "../platform";
import { bodyOf, given, ids, type Routes } from "../routes";
import { between, body, boolean, listOfAll, oneOf, optional, text, type Schema } from "../schema";
import { checkedNodes, healthy, nodeSchema, nodesOf } from "./balancer-nodes";
import { balancerOf } from "./balancer-view";

type Port = Omit<NodeBalancerConfig, "nodes">;

export const portSchema: Record<string, Schema> = {
    port: between(1, 65535),
    protocol: oneOf("http", "https", "tcp", "udp"),
    algorithm: oneOf("roundrobin", "leastconn", "source", "ring_hash"),
    stickiness: oneOf("none", "table", "http_cookie", "session", "source_ip"),
    check: oneOf("none", "connection", "http", "http_body"),
    check_interval: between(2, 3600),
    check_timeout: between(1, 30),
    check_attempts: between(1, 30),
    check_path: optional(text),
    check_body: optional(text),
    check_passive: boolean,
    cipher_suite: oneOf("recommended", "legacy", "none"),
    proxy_protocol: oneOf("none", "v1", "v2"),
    ssl_cert: optional(text),
    ssl_key: optional(text),
    udp_check_port: between(1, 65535),
    nodes: listOfAll({ type: "object", properties: nodeSchema, required: ["address", "label"] }),
};

const changeable = [
    "port",
    "protocol",
    "algorithm",
    "stickiness",
    "check",
    "check_interval",
    "check_timeout",
    "check_attempts",
    "check_path",
    "check_body",
    "check_passive",
    "cipher_suite",
    "proxy_protocol",
    "udp_check_port",
] as const;

/** The ports of a NodeBalancer, which the API calls configs. */
export const balancerPorts: Routes = (app, platform) => {
    const base = "/nodebalancers/:id/configs";

    app.get(base, async (request) => {
        const balancer = platform.balancers.get(ids(request).id!);
        const up = await healthy(platform, balancer);
        return platform.ports.list(
            request,
            (port) => portView(platform, port, up),
            (port) => port.nodebalancer_id === balancer.id,
        );
    });
    app.get(`${base}/:configId`, async (request) => {
        const { balancer, port } = find(request);
        return portView(platform, port, await healthy(platform, balancer));
    });
    app.post(base, { schema: body(portSchema) }, async (request) => {
        const balancer = platform.balancers.get(ids(request).id!);
        const port = addPort(platform, balancer, bodyOf<CreateNodeBalancerConfig>(request), "");
        return applied(balancer, port, "nodebalancer_config_create");
    });
    app.put(`${base}/:configId`, { schema: body(portSchema) }, async (request) => {
        const { balancer, port } = find(request);
        const wanted = bodyOf<CreateNodeBalancerConfig>(request);
        checkPort(platform, balancer, { ...port, ...wanted }, port.id, "");
        Object.assign(port, given(wanted, ...changeable), certificate(wanted, port));
        return applied(balancer, port, "nodebalancer_config_update");
    });
    app.post(`${base}/:configId/rebuild`, { schema: body(portSchema) }, async (request) => {
        const { balancer, port } = find(request);
        const wanted = bodyOf<CreateNodeBalancerConfig>(request);
        checkPort(platform, balancer, { ...port, ...wanted }, port.id, "");
        const nodes = checkedNodes(
            platform,
            balancer,
            port.id,
            wanted.nodes ?? [],
            [],
            (i) => `nodes[${i}].`,
        );
        nodesOf(platform, port.id).forEach(({ id }) => platform.nodes.remove(id));
        nodes.forEach((node) => platform.nodes.add(node));
        Object.assign(port, given(wanted, ...changeable), certificate(wanted, port));
        return applied(balancer, port, "nodebalancer_config_update");
    });
    app.delete(`${base}/:configId`, async (request) => {
        const { balancer, port } = find(request);
        removePort(platform, port.id);
        await changed(balancer, "nodebalancer_config_delete");
        return {};
    });

    function find(request: Parameters<typeof ids>[0]) {
        const { id, configId } = ids(request);
        const balancer = platform.balancers.get(id!);
        const port = platform.ports.get(configId!);
        return { balancer, port: port.nodebalancer_id === balancer.id ? port : platform.ports.get(-1) };
    }

    type Action = Parameters<typeof platform.events.notify>[0];

    async function changed(balancer: NodeBalancer, action: Action): Promise<void> {
        await platform.driver.balance(balancerOf(platform, balancer.id));
        platform.events.notify(action, entityOf("nodebalancer", "/nodebalancers", balancer));
    }

    async function applied(balancer: NodeBalancer, port: Port, action: Action) {
        await changed(balancer, action);
        return portView(platform, port, await healthy(platform, balancer));
    }
};

/** Adds a port with its nodes, or nothing at all. */
export function addPort(
    platform: Platform,
    balancer: NodeBalancer,
    wanted: CreateNodeBalancerConfig,
    prefix: string,
): Port {
    const port: Port = {
        id: platform.ports.newId(),
        nodebalancer_id: balancer.id,
        port: 80,
        protocol: "http",
        algorithm: "roundrobin",
        stickiness: "none",
        check: "none",
        check_interval: 5,
        check_timeout: 3,
        check_attempts: 2,
        check_path: "",
        check_body: "",
        check_passive: true,
        cipher_suite: "recommended",
        proxy_protocol: "none",
        ssl_cert: null as unknown as string,
        ssl_key: null as unknown as string,
        ssl_commonname: "",
        ssl_fingerprint: "",
        nodes_status: { up: 0, down: 0 },
        udp_session_timeout: 16,
        ...given(wanted, ...changeable),
    };
    checkPort(platform, balancer, { ...port, ...wanted }, port.id, prefix);
    Object.assign(port, certificate(wanted, port));
    const place = (index: number) => `${prefix}nodes[${index}].`;
    const nodes = checkedNodes(platform, balancer, port.id, wanted.nodes ?? [], [], place);
    nodes.forEach((node) => platform.nodes.add(node));
    return platform.ports.add(port);
}

export function removePort(platform: Platform, id: number): void {
    nodesOf(platform, id).forEach((node) => platform.nodes.remove(node.id));
    platform.ports.remove(id);
}

function checkPort(
    platform: Platform,
    balancer: NodeBalancer,
    wanted: CreateNodeBalancerConfig,
    id: number,
    prefix: string,
): void {
    const others = platform.ports
        .all()
        .filter((port) => port.nodebalancer_id === balancer.id && port.id !== id);
    if (others.some(({ port }) => port === wanted.port)) {
        throw invalid(`${prefix}port`, "port must be unique among the NodeBalancer's configs");
    }
    if (wanted.protocol === "https" && (!wanted.ssl_cert || !wanted.ssl_key)) {
        throw invalid(`${prefix}ssl_cert`, "ssl_cert and ssl_key are required when protocol is https");
    }
    if ((wanted.check === "http" || wanted.check === "http_body") && !wanted.check_path) {
        throw invalid(`${prefix}check_path`, `check_path is required when check is ${wanted.check}`);
    }
    if (wanted.check === "http_body" && !wanted.check_body) {
        throw invalid(`${prefix}check_body`, "check_body is required when check is http_body");
    }
    if (wanted.proxy_protocol && wanted.proxy_protocol !== "none" && wanted.protocol !== "tcp") {
        throw invalid(`${prefix}proxy_protocol`, "proxy_protocol may only be used when protocol is tcp");
    }
}

/** The API takes certificate and key and never shows them again. */
function certificate(wanted: CreateNodeBalancerConfig, port: Port): Partial<Port> {
    return wanted.ssl_cert
        ? {
              ssl_cert: "<REDACTED>",
              ssl_key: "<REDACTED>",
              ssl_commonname: "example.com",
              ssl_fingerprint: "00",
          }
        : { ssl_cert: port.ssl_cert, ssl_key: port.ssl_key };
}

function portView(platform: Platform, port: Port, up: ReadonlySet<number>): Port {
    const nodes = nodesOf(platform, port.id);
    const count = nodes.filter(({ id }) => up.has(id)).length;
    return { ...port, nodes_status: { up: count, down: nodes.length - count } };
}
