import { libraryFolder } from "./base";
import { readAsset } from "./files";
import { fromDebian, fromHashicorp, type Role } from "./packages";

export interface ConsulHostArgs {
    /** E.g. "1.21.0". Default: the pinned one of toolchain/versions.json. A change replaces the machine. */
    version?: string;
}

/**
 * A machine on which Consul can run under systemd, not as root. Nothing starts until configuration arrives over SSH
 * (components/clusters).
 */
export function consulHost({ version }: ConsulHostArgs = {}): Role {
    return {
        // wait-for-consul asks with curl.
        requires: [fromHashicorp("consul", version), fromDebian("curl")],
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
