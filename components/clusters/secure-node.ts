import { nodeBalancer, type NodeBalancerArgs } from "../balancers/node-balancer";
import { secureConsul } from "./consul-configuration";
import { isServer, type NodeAddress } from "./node";
import { joinConfigurations, type NodeConfiguration } from "./node-files";
import type { NomadClientArgs } from "./nomad-agent";
import { secureNomad } from "./nomad-configuration";
import { consulSnapshots, nodeSnapshots, type NodeSnapshotsArgs, nomadSnapshots } from "./snapshots";

/** A certificate and its key (PEM). */
interface KnownCertificate {
    certPem: string;
    keyPem: string;
}

export interface SecureNodeArgs {
    /** Consul's and Nomad's. */
    datacenter: string;
    /** Nomad's. */
    region: string;
    /** The machines' network in CIDR notation. */
    network: string;
    /** The machine that the files are for. */
    node: NodeAddress;
    /** All servers of the cluster; the machine is one if it is among them. */
    servers: readonly NodeAddress[];
    /** A client's node pool. */
    pool?: string;
    /** What a client runs tasks with. */
    tasks: NomadClientArgs;
    /** The interface whose address jobs get. Default: the default route's. */
    networkInterface?: string;
    balancer: Pick<NodeBalancerArgs, "discovery" | "preferLocal" | "guard" | "proxySources">;
    /** The certificates (PEM) of the authorities that agents believe. */
    ca: { consul: string; nomad: string };
    /** The machine's own; `operators` makes it the one with the operators' endpoint. */
    certificates: { consul?: KnownCertificate; nomad: KnownCertificate; operators?: KnownCertificate };
    /** Keys in base64. */
    gossip: { consul: string; nomad: string };
    /** Consul's tokens: secret ids. */
    tokens: { agent: string; dns: string; balancer: string; management: string; nomad: string };
    /** How often servers take snapshots, how many they keep and for whom, and the tokens that this takes. */
    snapshots: Pick<NodeSnapshotsArgs, "interval" | "keep" | "recipientPem"> & {
        tokens: { consul: string; nomad: string };
    };
    /** Who may see HAProxy's statistics and enter at the operators' endpoint. */
    operator: { user: string; password: string };
}

/** Everything that a machine of a secure cluster is told: Consul, Nomad and HAProxy together. Holds secrets. Pure. */
export function secureNode(args: SecureNodeArgs): NodeConfiguration {
    const { datacenter, region, network, node, servers, ca, certificates, gossip, tokens, operator } = args;
    const server = isServer(node, servers);
    return joinConfigurations(
        secureConsul({
            datacenter,
            node,
            servers,
            caPem: ca.consul,
            certificate: certificates.consul,
            gossipKey: gossip.consul,
            tokens: {
                agent: tokens.agent,
                dns: tokens.dns,
                ...(server ? { initialManagement: tokens.management } : {}),
            },
        }),
        secureNomad({
            datacenter,
            region,
            node,
            servers,
            ...(server
                ? { gossipKey: gossip.nomad }
                : { pool: args.pool, client: args.tasks, networkInterface: args.networkInterface }),
            caPem: ca.nomad,
            certificate: certificates.nomad,
            consulToken: tokens.nomad,
        }),
        nodeBalancer({
            ...args.balancer,
            node,
            network,
            consulToken: tokens.balancer,
            stats: operator,
            ...(certificates.operators && {
                operators: {
                    certificate: certificates.operators,
                    ...operator,
                    nomad: { caPem: ca.nomad },
                },
            }),
        }),
        ...(server ? [snapshots(args)] : []),
    );
}

function snapshots({ node, servers, snapshots: { tokens, ...others } }: SecureNodeArgs): NodeConfiguration {
    const sources = [consulSnapshots(tokens.consul), nomadSnapshots(tokens.nomad)];
    return nodeSnapshots({ node, servers, sources, ...others });
}
