import { libraryFolder, unit } from "./base";
import { type CloudConfig, mergeCloudConfig } from "./cloud-config";
import { readAsset } from "./files";

export interface ConsulRoleArgs {
    /** Consul's datacenter; lower case letters, digits and dashes. */
    datacenter: string;
    /** The agent's name in the catalog; the machine's name. */
    nodeName: string;
    /** The machine's private address, or a go-sockaddr template that yields it on the machine. */
    address: string;
    /** Whether the agent is a server. */
    server: boolean;
    /** The servers' private addresses, this machine's own included if it is one. */
    serverAddresses: string[];
    /**
     * Address that the HTTP, gRPC and DNS listeners bind to. Default: `0.0.0.0`, for labs that are open on a
     * network of their own.
     */
    clientAddress?: string;
    /** `INFO`, `DEBUG` … Default: `INFO`. */
    logLevel?: string;
}

/** The agent's configuration, in Consul's own words. */
export function consulConfiguration(args: ConsulRoleArgs) {
    const peers = args.serverAddresses.filter((address) => !(args.server && address === args.address));
    return {
        datacenter: args.datacenter,
        node_name: args.nodeName,
        data_dir: "/var/lib/consul",
        log_level: args.logLevel ?? "INFO",
        server: args.server,
        ...(args.server ? { bootstrap_expect: args.serverAddresses.length } : {}),
        bind_addr: args.address,
        client_addr: args.clientAddress ?? "0.0.0.0",
        ...(peers.length > 0 ? { retry_join: peers, retry_interval: "1s" } : {}),
        // A server that restarts keeps its place among the peers; a client that is stopped takes its services along.
        leave_on_terminate: !args.server,
        skip_leave_on_interrupt: args.server,
        ui_config: { enabled: true },
        connect: { enabled: true },
        ports: { grpc: 8502, dns: 8600 },
        // The mesh carries nothing that an intention does not allow.
        default_intention_policy: "deny",
        performance: { raft_multiplier: 1 },
        // Only healthy instances, never a cached answer: balancers read their servers here.
        dns_config: { only_passing: true, node_ttl: "0s", service_ttl: { "*": "0s" } },
        enable_script_checks: false,
        disable_remote_exec: true,
        disable_update_check: true,
        // Nomad registers services through the agent; their upstream defaults live in the catalog.
        enable_central_service_config: true,
    };
}

/**
 * A machine on which Consul can run under systemd, not as root. The image or another role provides the `consul` program;
 * without {@link consulRole} nothing starts until configuration arrives and somebody starts `consul.service`.
 */
export function consulHost(): CloudConfig {
    return {
        write_files: [
            {
                path: "/etc/sysusers.d/consul.conf",
                content: 'u consul - "Consul agent" /var/lib/consul\n',
            },
            { path: "/etc/systemd/system/consul.service", content: readAsset("consul.service") },
            {
                path: `${libraryFolder}/wait-for-consul`,
                content: readAsset("wait-for-consul"),
                permissions: "0755",
            },
        ],
        runcmd: [["systemd-sysusers", "/etc/sysusers.d/consul.conf"]],
    };
}

/** A Consul agent that is configured by the document and starts when the machine boots. */
export function consulRole(args: ConsulRoleArgs): CloudConfig {
    return mergeCloudConfig(consulHost(), {
        write_files: [
            {
                path: "/etc/consul.d/consul.json",
                content: `${JSON.stringify(consulConfiguration(args), undefined, 2)}\n`,
            },
            ...unit("consul.service"),
        ],
    });
}
