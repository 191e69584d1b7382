import { any, boolean, integer, list, set, string } from "../lib";
import { rfc3339 } from "./client";
import { named, renamed, simple } from "./simple";

const balancerNames = {
    label: "label",
    region: "region",
    clientConnThrottle: "client_conn_throttle",
    clientUdpSessThrottle: "client_udp_sess_throttle",
    tags: "tags",
};

interface Balancer extends Record<string, unknown> {
    created: string;
    updated: string;
    transfer: { in: number | null; out: number | null; total: number | null };
}

export const nodeBalancer = simple({
    what: "a NodeBalancer",
    path: () => "/nodebalancers",
    inputs: {
        label: string(),
        region: string({ default: "us-east", replace: true }),
        clientConnThrottle: integer({ default: 0 }),
        clientUdpSessThrottle: integer({ computed: true }),
        firewallId: integer({ replace: true }),
        tags: set(string(), { computed: true }),
    },
    outputs: {
        hostname: string(),
        ipv4: string(),
        ipv6: string(),
        created: string(),
        updated: string(),
        transfers: list(any()),
    },
    create: (inputs) => renamed(inputs, { ...balancerNames, firewallId: "firewall_id" }),
    change: (inputs) => renamed({ ...inputs, region: undefined }, balancerNames),
    filter: ({ label }) => ({ label }),
    show: (answer: Balancer, { firewallId }) => ({
        inputs: { ...named(answer, balancerNames), ...(firewallId === undefined ? {} : { firewallId }) },
        outputs: {
            ...named(answer, { hostname: "hostname", ipv4: "ipv4", ipv6: "ipv6" }),
            created: rfc3339(answer.created),
            updated: rfc3339(answer.updated),
            transfers: [
                {
                    in: answer.transfer.in ?? 0,
                    out: answer.transfer.out ?? 0,
                    total: answer.transfer.total ?? 0,
                },
            ],
        },
    }),
});

const configNames = {
    port: "port",
    protocol: "protocol",
    proxyProtocol: "proxy_protocol",
    algorithm: "algorithm",
    stickiness: "stickiness",
    check: "check",
    checkInterval: "check_interval",
    checkTimeout: "check_timeout",
    checkAttempts: "check_attempts",
    checkPath: "check_path",
    checkBody: "check_body",
    checkPassive: "check_passive",
    cipherSuite: "cipher_suite",
    udpCheckPort: "udp_check_port",
};
const certificateNames = { sslCert: "ssl_cert", sslKey: "ssl_key" };

interface Config extends Record<string, unknown> {
    nodes_status: { up: number; down: number };
}

export const nodeBalancerConfig = simple({
    what: "a NodeBalancer's config",
    ids: 2,
    path: ({ nodebalancerId }) => `/nodebalancers/${String(nodebalancerId)}/configs`,
    parents: ([nodebalancerId]) => ({ nodebalancerId }),
    inputs: {
        nodebalancerId: integer({ required: true, replace: true }),
        port: integer({ default: 80 }),
        protocol: string({ default: "http", oneOf: ["http", "https", "tcp", "udp"] }),
        proxyProtocol: string({ default: "none", oneOf: ["none", "v1", "v2"] }),
        algorithm: string({ computed: true }),
        stickiness: string({ computed: true }),
        check: string({ computed: true }),
        checkInterval: integer({ computed: true }),
        checkTimeout: integer({ computed: true }),
        checkAttempts: integer({ computed: true }),
        checkPath: string({ computed: true }),
        checkBody: string({ computed: true }),
        checkPassive: boolean({ default: true }),
        cipherSuite: string({ computed: true }),
        udpCheckPort: integer({ computed: true }),
        sslCert: string({ secret: true }),
        sslKey: string({ secret: true }),
    },
    outputs: {
        sslCommonname: string(),
        sslFingerprint: string(),
        udpSessionTimeout: integer(),
        nodeStatuses: list(any()),
    },
    // Two cannot listen on one port.
    deleteBeforeReplace: true,
    create: (inputs) => renamed(inputs, { ...configNames, ...certificateNames }),
    change: (inputs) => renamed(inputs, { ...configNames, ...certificateNames }),
    filter: ({ port }) => ({ port }),
    // The API never shows certificate and key again.
    show: (answer: Config, { sslCert, sslKey }) => ({
        inputs: {
            ...named(answer, configNames),
            ...(sslCert === undefined ? {} : { sslCert }),
            ...(sslKey === undefined ? {} : { sslKey }),
        },
        outputs: {
            ...named(answer, {
                sslCommonname: "ssl_commonname",
                sslFingerprint: "ssl_fingerprint",
                udpSessionTimeout: "udp_session_timeout",
            }),
            nodeStatuses: [{ up: answer.nodes_status.up, down: answer.nodes_status.down }],
        },
    }),
});

const nodeNames = { label: "label", address: "address", weight: "weight", mode: "mode" };

export const nodeBalancerNode = simple({
    what: "a NodeBalancer's node",
    ids: 3,
    path: ({ nodebalancerId, configId }) =>
        `/nodebalancers/${String(nodebalancerId)}/configs/${String(configId)}/nodes`,
    parents: ([nodebalancerId, configId]) => ({ nodebalancerId, configId }),
    inputs: {
        nodebalancerId: integer({ required: true, replace: true }),
        configId: integer({ required: true, replace: true }),
        label: string({ required: true }),
        address: string({ required: true }),
        weight: integer({ computed: true }),
        mode: string({ computed: true, oneOf: ["accept", "reject", "backup", "drain"] }),
    },
    outputs: { status: string() },
    create: (inputs) => renamed(inputs, nodeNames),
    change: (inputs) => renamed(inputs, nodeNames),
    filter: ({ address }) => ({ address }),
    show: (answer: Record<string, unknown>) => ({
        inputs: named(answer, nodeNames),
        outputs: { status: answer.status },
    }),
});
