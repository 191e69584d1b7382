import { unit } from "./base";
import { fromDebian, type Role } from "./packages";

export interface DockerRoleArgs {
    /**
     * Registries, as `host:port`, that the engine may use without TLS: the lab's own, on the lab's own network.
     * Default: none.
     */
    insecureRegistries?: string[];
    /** Name servers of the containers. Default: the machine's own, and where it has none but itself, public ones. */
    dns?: string[];
}

/** The container engine, for machines that run Nomad tasks or containers of their own. */
export function dockerRole(args: DockerRoleArgs = {}): Role {
    const daemon = {
        ...(args.dns ? { dns: args.dns } : {}),
        "insecure-registries": args.insecureRegistries ?? [],
        // Containers survive a restart of the engine alone; Nomad finds them again.
        "live-restore": true,
        "log-driver": "json-file",
        "log-opts": { "max-size": "10m", "max-file": "2" },
        "storage-driver": "overlay2",
        // A machine that shuts down has its tasks stopped by Nomad or killed by systemd; do not wait longer.
        "shutdown-timeout": 5,
    };
    return {
        requires: [fromDebian("docker.io", "dockerd"), fromDebian("apparmor", "apparmor_parser")],
        write_files: [
            { path: "/etc/docker/daemon.json", content: `${JSON.stringify(daemon, undefined, 2)}\n` },
            // The package brings the unit.
            ...unit("docker.service"),
        ],
    };
}
