import type { Role } from "./packages";

/**
 * A machine that knows etcd's user, who also owns the keys that its clients show. Its units and configuration come over SSH
 * (components/clusters/etcd); the programs `etcd`, `etcdctl` and `confd` are in the image.
 */
export function etcdHost(): Role {
    return {
        write_files: [
            { path: "/etc/sysusers.d/etcd.conf", content: 'u etcd - "etcd member" /var/lib/etcd\n' },
        ],
        runcmd: [["systemd-sysusers", "/etc/sysusers.d/etcd.conf"]],
    };
}
