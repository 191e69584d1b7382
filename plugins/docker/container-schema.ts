import { boolean, integer, list, map, object, set, string, type Properties } from "../lib";
import { labels } from "./labels";

import type { Label } from "./labels";

export interface Port {
    internal: number;
    external?: number;
    ip: string;
    protocol: string;
}

export interface Upload {
    file: string;
    content?: string;
    contentBase64?: string;
    source?: string;
    sourceHash?: string;
    executable: boolean;
    permissions?: string;
}

export interface Volume {
    containerPath?: string;
    hostPath?: string;
    volumeName?: string;
    fromContainer?: string;
    readOnly?: boolean;
}

export interface Mount {
    target: string;
    source?: string;
    type: "bind" | "volume" | "tmpfs";
    readOnly?: boolean;
    bindOptions?: { propagation?: string };
    volumeOptions?: {
        noCopy?: boolean;
        labels?: Label[];
        driverName?: string;
        driverOptions?: Record<string, string>;
    };
    tmpfsOptions?: { sizeBytes?: number; mode?: number };
}

export interface Healthcheck {
    tests?: string[];
    interval: string;
    timeout: string;
    startPeriod: string;
    startInterval: string;
    retries: number;
}

export interface NetworkAttachment {
    name: string;
    aliases?: string[];
    ipv4Address?: string;
    ipv6Address?: string;
}

export interface ContainerInputs {
    name: string;
    image: string;
    attach: boolean;
    capabilities?: { adds?: string[]; drops?: string[] };
    cgroupnsMode?: string;
    command?: string[];
    containerReadRefreshTimeoutMilliseconds: number;
    cpuSet?: string;
    cpuShares?: number;
    destroyGraceSeconds?: number;
    devices?: { hostPath: string; containerPath?: string; permissions?: string }[];
    dns?: string[];
    dnsOpts?: string[];
    dnsSearches?: string[];
    domainname?: string;
    entrypoints?: string[];
    envs?: string[];
    groupAdds?: string[];
    healthcheck?: Healthcheck;
    hostname?: string;
    hosts?: { host: string; ip: string }[];
    init?: boolean;
    ipcMode?: string;
    labels?: Label[];
    logDriver?: string;
    logOpts?: Record<string, string>;
    logs: boolean;
    maxRetryCount?: number;
    memory?: number;
    memorySwap?: number;
    mounts?: Mount[];
    mustRun: boolean;
    networkMode: string;
    networksAdvanced?: NetworkAttachment[];
    pidMode?: string;
    ports?: Port[];
    privileged?: boolean;
    publishAllPorts?: boolean;
    readOnly: boolean;
    removeVolumes: boolean;
    restart: string;
    rm: boolean;
    runtime?: string;
    securityOpts?: string[];
    shmSize?: number;
    start: boolean;
    stdinOpen: boolean;
    stopSignal?: string;
    stopTimeout?: number;
    storageOpts?: Record<string, string>;
    sysctls?: Record<string, string>;
    tmpfs?: Record<string, string>;
    tty: boolean;
    ulimits?: { name: string; soft: number; hard: number }[];
    uploads?: Upload[];
    user?: string;
    usernsMode?: string;
    volumes?: Volume[];
    wait: boolean;
    waitTimeout: number;
    workingDir?: string;
}

export interface NetworkData {
    networkName: string;
    ipAddress: string;
    ipPrefixLength: number;
    gateway: string;
    globalIpv6Address: string;
    globalIpv6PrefixLength: number;
    ipv6Gateway: string;
    macAddress: string;
}

export interface ContainerOutputs extends ContainerInputs {
    bridge: string;
    containerLogs?: string;
    exitCode?: number;
    networkDatas: NetworkData[];
}

/** Go's notation, e.g. `1m30s`; seconds fractions allowed. */
const duration = (value: string): string | undefined =>
    /^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$|^0$/.test(value)
        ? undefined
        : `must be a duration such as 500ms, 2s or 1m30s, not "${value}"`;

const atLeast =
    (minimum: number) =>
    (value: number): string | undefined =>
        value >= minimum ? undefined : `must be at least ${minimum}, not ${value}`;

const replace = true;
/** Filled in from the running container when the program leaves it out. */
const chosen = { computed: true, replace };

export const containerInputs: Properties = {
    name: string({ autoName: true, replace }),
    image: string({ required: true, replace }),
    attach: boolean({ default: false }),
    capabilities: object({ adds: set(), drops: set() }, { replace }),
    cgroupnsMode: string({ replace, oneOf: ["private", "host"] }),
    command: list(string(), chosen),
    containerReadRefreshTimeoutMilliseconds: integer({ default: 15000 }),
    cpuSet: string(),
    cpuShares: integer({ validate: atLeast(0) }),
    destroyGraceSeconds: integer(),
    devices: set(
        object({ hostPath: string({ required: true }), containerPath: string(), permissions: string() }),
        { replace },
    ),
    dns: set(string(), { replace }),
    dnsOpts: set(string(), { replace }),
    dnsSearches: set(string(), { replace }),
    domainname: string({ replace }),
    entrypoints: list(string(), chosen),
    envs: set(string(), chosen),
    groupAdds: set(string(), { replace }),
    healthcheck: object(
        {
            tests: list(),
            interval: string({ default: "0s", validate: duration }),
            timeout: string({ default: "0s", validate: duration }),
            startPeriod: string({ default: "0s", validate: duration }),
            startInterval: string({ default: "0s", validate: duration }),
            retries: integer({ default: 0, validate: atLeast(0) }),
        },
        { computed: true },
    ),
    hostname: string(chosen),
    hosts: set(object({ host: string({ required: true }), ip: string({ required: true }) }), { replace }),
    init: boolean({ computed: true }),
    ipcMode: string(chosen),
    labels: labels(chosen),
    logDriver: string(chosen),
    logOpts: map(string(), { replace }),
    logs: boolean({ default: false }),
    maxRetryCount: integer(),
    memory: integer({ validate: atLeast(0) }),
    memorySwap: integer({ validate: atLeast(-1) }),
    mounts: set(
        object({
            target: string({ required: true }),
            source: string(),
            type: string({ required: true, oneOf: ["bind", "volume", "tmpfs"] }),
            readOnly: boolean(),
            bindOptions: object({
                propagation: string({
                    oneOf: ["private", "rprivate", "shared", "rshared", "slave", "rslave"],
                }),
            }),
            volumeOptions: object({
                noCopy: boolean(),
                labels: labels(),
                driverName: string(),
                driverOptions: map(),
            }),
            tmpfsOptions: object({ sizeBytes: integer(), mode: integer() }),
        }),
        { replace },
    ),
    mustRun: boolean({ default: true }),
    networkMode: string({ default: "bridge", replace }),
    networksAdvanced: set(
        object({
            name: string({ required: true }),
            aliases: set(),
            ipv4Address: string(),
            ipv6Address: string(),
        }),
        { replace },
    ),
    pidMode: string({ replace }),
    ports: list(
        object({
            internal: integer({ required: true }),
            external: integer({ computed: true }),
            ip: string({ default: "0.0.0.0" }),
            protocol: string({ default: "tcp" }),
        }),
        { replace },
    ),
    privileged: boolean({ replace }),
    publishAllPorts: boolean({ replace }),
    readOnly: boolean({ default: false, replace }),
    removeVolumes: boolean({ default: true }),
    restart: string({ default: "no", oneOf: ["no", "on-failure", "always", "unless-stopped"] }),
    rm: boolean({ default: false }),
    runtime: string(chosen),
    securityOpts: set(string(), chosen),
    shmSize: integer({ ...chosen, validate: atLeast(0) }),
    start: boolean({ default: true }),
    stdinOpen: boolean({ default: false, replace }),
    stopSignal: string(chosen),
    stopTimeout: integer(chosen),
    storageOpts: map(string(), { replace }),
    sysctls: map(string(), { replace }),
    tmpfs: map(),
    tty: boolean({ default: false, replace }),
    ulimits: set(
        object({
            name: string({ required: true }),
            soft: integer({ required: true }),
            hard: integer({ required: true }),
        }),
        { replace },
    ),
    uploads: set(
        object({
            file: string({ required: true }),
            content: string(),
            contentBase64: string(),
            source: string(),
            sourceHash: string(),
            executable: boolean({ default: false }),
            permissions: string({
                validate: (value: string) =>
                    /^0[0-7]{3}$/.test(value) ? undefined : `must be octal, such as 0644, not "${value}"`,
            }),
        }),
        { replace },
    ),
    user: string({ replace }),
    usernsMode: string({ replace }),
    volumes: set(
        object({
            containerPath: string(),
            hostPath: string(),
            volumeName: string(),
            fromContainer: string(),
            readOnly: boolean(),
        }),
        { replace },
    ),
    wait: boolean({ default: false }),
    waitTimeout: integer({ default: 60 }),
    workingDir: string({ replace }),
};

export const containerOutputs: Properties = {
    bridge: string(),
    containerLogs: string(),
    exitCode: integer(),
    networkDatas: list(object({})),
};
