/** How a program on a machine reaches etcd: over TLS with the machine's own certificate, and as a user with a password. */
export interface EtcdClient {
    /** Every member's, e.g. `https://10.219.0.11:2379`; at least one. */
    endpoints: readonly string[];
    /** Files (PEM) on the machine: the authority of the members' certificates, the machine's certificate and its key. */
    caFile: string;
    certificateFile: string;
    keyFile: string;
    /** A user of etcd's. No certificate's name is one: who has stolen a key has no password yet. */
    user: string;
    /** Secret. */
    password: string;
}

/** Where every machine of a cluster keeps what {@link EtcdClient} names. Readable by root and the group `etcd`. */
export const etcdClientFiles = {
    caFile: "/etc/etcd/client-ca.pem",
    certificateFile: "/etc/etcd/client.pem",
    keyFile: "/etc/etcd/client-key.pem",
} as const;

/** The prefix under which applications register: `/apps/<name>/<unit>` = `<name>-<instance> <address>:<port>`. */
export const applicationsPrefix = "/apps/";
