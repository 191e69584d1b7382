import { libraryFolder, unit } from "./base";
import { type CloudConfig, mergeCloudConfig } from "./cloud-config";
import { readAsset } from "./files";

/** What a Nomad client runs tasks with. */
export interface NomadClientArgs {
    /** Image of the Envoy sidecars, as this machine's engine pulls it. */
    sidecarImage: string;
    /** Image of the mesh's gateways. Default: the sidecars' image. */
    gatewayImage?: string;
    /** Image of the container that holds a group's network namespace; all it has to do is idle. */
    infraImage: string;
    /** Privileged containers in jobs. Default: false. */
    allowPrivileged?: boolean;
    /** Further client metadata that jobs can place constraints on. */
    meta?: Record<string, string>;
}

export interface NomadRoleArgs {
    /** Nomad's datacenter, the one that jobs name. */
    datacenter: string;
    /** Nomad's region. Default: `global`. */
    region?: string;
    /** The agent's name; the machine's name. */
    nodeName: string;
    /** The machine's private address, or a go-sockaddr template that yields it on the machine. */
    address: string;
    /** Whether the agent is a server. */
    server: boolean;
    /** The servers' private addresses, this machine's own included if it is one. */
    serverAddresses: string[];
    /** Makes the agent a client as well (or only a client). */
    client?: NomadClientArgs;
    /**
     * The interface whose address jobs get, where it is not the one of the default route: on clouds, where that
     * one is public. May be a go-sockaddr template. Default: the default route's.
     */
    networkInterface?: string;
    /** `INFO`, `DEBUG` … Default: `INFO`. */
    logLevel?: string;
}

/** How an agent finds the servers. */
interface ServerJoin {
    server_join?: { retry_join: string[]; retry_interval: string };
}

/** The agent's configuration, in Nomad's own words. */
export function nomadConfiguration(args: NomadRoleArgs) {
    const peers = args.serverAddresses.filter((address) => !(args.server && address === args.address));
    const join: ServerJoin =
        peers.length > 0 ? { server_join: { retry_join: peers, retry_interval: "1s" } } : {};
    return {
        datacenter: args.datacenter,
        region: args.region ?? "global",
        name: args.nodeName,
        data_dir: "/var/lib/nomad",
        log_level: args.logLevel ?? "INFO",
        bind_addr: "0.0.0.0",
        advertise: { http: args.address, rpc: args.address, serf: args.address },
        leave_on_interrupt: false,
        leave_on_terminate: false,
        disable_update_check: true,
        // Peers are told by address: finding them through Consul takes minutes, not seconds.
        consul: {
            address: "127.0.0.1:8500",
            grpc_address: "127.0.0.1:8502",
            client_auto_join: false,
            server_auto_join: false,
        },
        telemetry: { publish_allocation_metrics: true, publish_node_metrics: true, prometheus_metrics: true },
        ui: {
            enabled: true,
            label: { text: args.datacenter },
        },
        ...(args.server ? { server: serverBlock(args, join) } : {}),
        ...(args.client ? clientBlocks(args, args.client, args.server ? {} : join) : {}),
    };
}

function serverBlock(args: NomadRoleArgs, join: ServerJoin) {
    return {
        enabled: true,
        bootstrap_expect: args.serverAddresses.length,
        raft_multiplier: 1,
        // A client that is lost is noticed in seconds; labs are small enough for that.
        min_heartbeat_ttl: "5s",
        heartbeat_grace: "5s",
        ...join,
    };
}

function clientBlocks(args: NomadRoleArgs, client: NomadClientArgs, join: ServerJoin) {
    return {
        client: {
            enabled: true,
            ...(args.server ? { servers: ["127.0.0.1:4647"] } : {}),
            ...(args.networkInterface ? { network_interface: args.networkInterface } : {}),
            // Debian's package containernetworking-plugins.
            cni_path: "/usr/lib/cni",
            options: {
                // Nothing runs on a machine but containers.
                "driver.allowlist": "docker",
                // Asking a cloud's metadata service takes seconds where there is none, and jobs do not use it.
                "fingerprint.denylist": "env_aws,env_azure,env_digitalocean,env_gce",
            },
            // Consul's mesh: read by Nomad's Connect support.
            meta: {
                "connect.sidecar_image": client.sidecarImage,
                "connect.gateway_image": client.gatewayImage ?? client.sidecarImage,
                ...client.meta,
            },
            ...join,
        },
        plugin: [
            {
                docker: [
                    {
                        config: [
                            {
                                allow_privileged: client.allowPrivileged ?? false,
                                infra_image: client.infraImage,
                                // Host paths in jobs; a task's own folders are mounted without it.
                                volumes: [{ enabled: false }],
                                // Images that the next deployment needs again stay for a while.
                                gc: [{ image: true, image_delay: "1h", container: true }],
                                extra_labels: ["job_name", "task_group_name", "task_name"],
                            },
                        ],
                    },
                ],
            },
        ],
    };
}

/**
 * What bridged task groups need from the kernel. The leading dash tolerates hosts whose bridges do not pass
 * through iptables at all, and containers that may not load the module.
 */
const bridgeSysctlsPath = "/etc/sysctl.d/60-gatehouse-bridge.conf";
const bridgeSysctls = [
    "-net.bridge.bridge-nf-call-arptables = 1",
    "-net.bridge.bridge-nf-call-ip6tables = 1",
    "-net.bridge.bridge-nf-call-iptables = 1",
    "-net.ipv4.ip_forward = 1",
    "",
].join("\n");

/**
 * A machine on which Nomad can run under systemd. The image or another role provides `nomad` and, for clients, Docker and
 * CNI; without {@link nomadRole} nothing starts until configuration arrives and somebody starts `nomad.service`.
 */
export function nomadHost({ client }: { client: boolean }): CloudConfig {
    return {
        write_files: [
            { path: "/etc/systemd/system/nomad.service", content: readAsset("nomad.service") },
            // Does nothing where it finds nothing; the unit names it on every machine.
            {
                path: `${libraryFolder}/forget-networks`,
                content: readAsset("forget-networks"),
                permissions: "0755",
            },
            ...(client
                ? [
                      { path: "/etc/modules-load.d/gatehouse.conf", content: "br_netfilter\n" },
                      { path: bridgeSysctlsPath, content: bridgeSysctls },
                  ]
                : []),
        ],
        ...(client
            ? {
                  runcmd: [
                      ["sh", "-c", "modprobe br_netfilter 2>/dev/null || true"],
                      ["/lib/systemd/systemd-sysctl", bridgeSysctlsPath],
                  ],
              }
            : {}),
    };
}

/** A Nomad agent that is configured by the document and starts when the machine boots. */
export function nomadRole(args: NomadRoleArgs): CloudConfig {
    return mergeCloudConfig(nomadHost({ client: args.client !== undefined }), {
        write_files: [
            {
                path: "/etc/nomad.d/nomad.json",
                content: `${JSON.stringify(nomadConfiguration(args), undefined, 2)}\n`,
            },
            ...unit("nomad.service"),
        ],
    });
}
