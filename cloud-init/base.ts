import { type CloudConfig, mergeCloudConfig, type WriteFile } from "./cloud-config";
import { readAsset } from "./files";
import { installation, type Role } from "./packages";

/** Where a machine's own helper programs live. */
export const libraryFolder = "/usr/local/lib/gatehouse";

/**
 * The whole document of a machine: what every machine has (keys-only SSH; `gatehouse-ready`, which tells whether
 * the machine is up), its roles with what they require, and the start of their units when all else is in place.
 *
 * @throws when two roles disagree.
 */
export function machineConfig(...roles: Role[]): CloudConfig {
    const { requires = [], ...parts } = mergeCloudConfig<Role>(...roles);
    return mergeCloudConfig(
        {
            disable_root: false,
            ssh_pwauth: false,
            write_files: [
                { path: "/etc/ssh/sshd_config.d/10-gatehouse.conf", content: sshdConfiguration },
                { path: "/etc/systemd/system/gatehouse.target", content: readAsset("gatehouse.target") },
                {
                    path: "/usr/local/bin/gatehouse-ready",
                    content: readAsset("gatehouse-ready"),
                    permissions: "0755",
                },
            ],
            // cloud-init makes one shell script of these commands: the first that fails shall end it.
            runcmd: [["set", "-e"]],
        },
        installation(requires),
        parts,
        // Without waiting: the units' own ordering decides when each one runs.
        { runcmd: [["systemctl", "enable", "--now", "--no-block", "gatehouse.target"]] },
    );
}

/**
 * A systemd unit that runs on the machine from its first boot on and that `gatehouse-ready` waits for.
 *
 * @param name the unit, e.g. `consul.service`
 * @param content the unit file; leave it out where a package brings it
 */
export function unit(name: string, content?: string): WriteFile[] {
    return [
        ...(content === undefined ? [] : [{ path: `/etc/systemd/system/${name}`, content }]),
        {
            path: `/etc/systemd/system/gatehouse.target.d/${name}.conf`,
            content: `[Unit]\nWants=${name}\n`,
        },
    ];
}

const sshdConfiguration = [
    "PermitRootLogin prohibit-password",
    "PasswordAuthentication no",
    "KbdInteractiveAuthentication no",
    "X11Forwarding no",
    // Looking up the caller's name can take seconds where DNS does not answer.
    "UseDNS no",
    "",
].join("\n");
