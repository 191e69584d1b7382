import * as pulumi from "@pulumi/pulumi";

import type { EtcdOperators } from "../components/clusters/etcd/etcd-cluster";

/** Variables of `etcdctl`, and what goes into them; those for statistics beside them. Secret. */
export function operatorsEnvironment(
    operators: pulumi.Output<EtcdOperators>,
    stats: { user: string; password: pulumi.Output<string> },
): pulumi.Output<Record<string, string>> {
    return pulumi.secret(
        pulumi.all([operators, stats.password]).apply(([etcd, password]): Record<string, string> => ({
            ETCDCTL_ENDPOINTS: etcd.endpoint,
            ETCDCTL_USER: etcd.user,
            ETCDCTL_PASSWORD: etcd.password,
            GATEHOUSE_ETCD_CA: etcd.caPem,
            GATEHOUSE_ETCD_CERT: etcd.certificatePem,
            GATEHOUSE_ETCD_KEY: etcd.keyPem,
            HAPROXY_STATS_USER: stats.user,
            HAPROXY_STATS_PASSWORD: password,
        })),
    );
}
