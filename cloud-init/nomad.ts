import { libraryFolder } from "./base";
import { readAsset } from "./files";
import { fromDebian, fromHashicorp, type Role } from "./packages";

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

export interface NomadHostArgs {
    /** Whether it may run jobs: then it has what bridged task groups need. */
    client: boolean;
    /** E.g. "1.10.5". Default: the pinned one of toolchain/versions.json. A change replaces the machine. */
    version?: string;
}

/**
 * A machine on which Nomad can run under systemd; for clients another role provides Docker. Nothing starts until
 * configuration arrives over SSH (components/clusters).
 */
export function nomadHost({ client, version }: NomadHostArgs): Role {
    return {
        requires: [
            fromHashicorp("nomad", version),
            ...(client ? [fromDebian("containernetworking-plugins", "/usr/lib/cni/bridge")] : []),
        ],
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
