import * as consul from "@pulumi/consul";
import * as nomad from "@pulumi/nomad";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";

import { balancerUnit, type NodeBalancerArgs, operatorsPorts } from "../balancers/node-balancer";
import type { Machine } from "../machines/machine";
import { type FirstToEnd, watchExpiry } from "../security/expiry";
import { gossipKey } from "../security/gossip";
import { SealingKey } from "../security/sealing";
import { ClusterTokens } from "../security/tokens";
import { accessControl, forgetTokens } from "./access-control";
import { type CertificateSettings, ClusterCertificates } from "./cluster-certificates";
import { serverGossip } from "./gossip";
import { nodeAddress, privateInterface } from "./node";
import type { NodeConfiguration } from "./node-files";
import type { NomadClientArgs } from "./nomad-agent";
import type { RollArgs } from "./node-script";
import { nomadCaFile } from "./nomad-configuration";
import { secureReadiness } from "./readiness";
import { clusterPlan, RollingNode } from "./roll";
import { secureNode } from "./secure-node";

/** A machine of the cluster. */
export interface ClusterMember {
    machine: Machine;
    /** The node pool of a machine that runs jobs. Default: the machine is a server. */
    pool?: string;
}

export interface SecureClusterArgs {
    /** Consul's and Nomad's; lower-case letters, digits and hyphens. */
    datacenter: string;
    /** The machines' network in CIDR notation. */
    network: string;
    /** At least one server. The first server publishes {@link operatorsPorts}. */
    members: readonly ClusterMember[];
    /** What clients run tasks with. */
    tasks: pulumi.Input<NomadClientArgs>;
    certificates: CertificateSettings;
    /** `rotation`: raised by one, all tokens but the management's give way to their next. By more is not safe. */
    tokens: { rotation: number };
    /** `rotation`: another number makes new keys, which all agents take over while they run. */
    gossip: { rotation: number };
    balancer: Pick<NodeBalancerArgs, "discovery" | "preferLocal" | "guard" | "proxySources">;
    /** Seconds from one snapshot to the next, and how many a server keeps. */
    snapshots: { interval: number; keep: number };
}

/** The user of HAProxy's statistics and of the operators' endpoint. */
const operatorUser = "operator";
const region = "global";

/**
 * Consul and Nomad on machines that trust each other by certificates, gossip keys and tokens alone, with HAProxy and a
 * resolver on each. All secrets are made before a machine boots and travel over SSH, so that no machine waits for
 * another; a change of configuration is taken over one node after the other ({@link RollingNode}).
 */
export class SecureCluster extends pulumi.ComponentResource {
    /** Consul's API and UI behind TLS and the operators' password, e.g. `https://127.0.0.1:8520`. */
    readonly consulAddress: pulumi.Output<string>;
    /** Nomad's, likewise. */
    readonly nomadAddress: pulumi.Output<string>;
    /** Work on the complete cluster with the management tokens. */
    readonly providers: { consul: consul.Provider; nomad: nomad.Provider };
    /** The certificate (PEM) that the operators' endpoint is to be verified with. */
    readonly caPem: pulumi.Output<string>;
    /** `user:password` of the operators' endpoint. Secret. */
    readonly operatorAuth: pulumi.Output<string>;
    readonly tokens: ClusterTokens;
    /** The certificate that ends first. */
    readonly firstToEnd: pulumi.Output<FirstToEnd>;
    /** The key (PEM) that snapshots are decrypted with. Secret. */
    readonly snapshotKeyPem: pulumi.Output<string>;

    private readonly snapshotKey: SealingKey;
    private readonly certificates: ClusterCertificates;
    private readonly gossip: { consul: pulumi.Output<string>; nomad: pulumi.Output<string> };
    private readonly password: pulumi.Output<string>;
    private readonly servers: Machine[];
    private readonly clients: Machine[];
    private readonly child: pulumi.CustomResourceOptions;

    constructor(
        label: string,
        private readonly args: SecureClusterArgs,
        opts: pulumi.ComponentResourceOptions = {},
    ) {
        super("gatehouse:clusters:SecureCluster", label, {}, opts);
        // Children do not inherit it.
        this.child = { parent: this, deletedWith: opts.deletedWith };
        const { members } = args;
        this.servers = members.filter(({ pool }) => pool === undefined).map(({ machine }) => machine);
        this.clients = members.filter(({ pool }) => pool !== undefined).map(({ machine }) => machine);
        const [first] = this.servers;
        if (first === undefined) {
            throw new pulumi.InputPropertyError({
                propertyPath: "members",
                reason: `${label} needs at least one server`,
            });
        }
        this.certificates = new ClusterCertificates(
            { ...args.certificates, datacenter: args.datacenter, region },
            { parent: this },
        );
        this.caPem = this.certificates.bundles.operators;
        this.gossip = {
            consul: gossipKey("consul-gossip", args.gossip.rotation, { parent: this }),
            nomad: gossipKey("nomad-gossip", args.gossip.rotation, { parent: this }),
        };
        this.tokens = new ClusterTokens(
            "tokens",
            { nodes: members.map(({ machine }) => machine.name), rotation: args.tokens.rotation },
            { parent: this },
        );
        this.snapshotKey = new SealingKey(
            "snapshots",
            { commonName: "Gatehouse snapshots" },
            { parent: this },
        );
        this.snapshotKeyPem = this.snapshotKey.privateKeyPem;
        this.password = new random.RandomPassword(
            "operators-password",
            { length: 24, special: false },
            { parent: this },
        ).result;
        this.operatorAuth = pulumi.interpolate`${operatorUser}:${this.password}`;

        const servers = this.nodes(this.servers, (machine) => [this.keyrings(machine)]);
        const access = {
            datacenter: args.datacenter,
            server: first,
            tokens: this.tokens,
            nomadCaPem: this.certificates.bundles.nomad,
        };
        const acl = accessControl(label, access, {
            ...this.child,
            dependsOn: servers.map((node) => node.configured),
        });
        // Neither clients nor gates wait for `acl` here, which waits for all servers: a node that has the turn must not
        // wait for one that wants it. A client's agent asks until a server knows its token and signs a certificate; a
        // gate asks until its own token is known.
        const clients = this.nodes(this.clients, () => []);
        const gates = [...servers, ...clients].map(({ gate }) => gate);
        forgetTokens(label, access, { ...this.child, dependsOn: [...gates, ...acl] });
        clusterPlan(
            `${label}-plan`,
            {
                machine: first,
                servers: this.servers.map(({ name }) => name),
                clients: this.clients.map(({ name }) => name),
                roll: this.roll(first),
            },
            { ...this.child, dependsOn: gates },
        );
        const ready = secureReadiness(
            {
                servers: this.servers,
                clients: this.clients,
                tokens: this.tokens,
                after: [...gates, ...acl],
            },
            this.child,
        );

        const address = (port: number) =>
            pulumi
                .all([first.endpoint(port), ready])
                .apply(([endpoint]) => `https://${endpoint.host}:${endpoint.port}`);
        this.consulAddress = address(operatorsPorts.consul);
        this.nomadAddress = address(operatorsPorts.nomad);
        this.providers = {
            consul: new consul.Provider(
                "consul-provider",
                {
                    address: this.consulAddress.apply((url) => new URL(url).host),
                    scheme: "https",
                    // With the datacenter set the provider does not ask the agent for it, which a preview could not.
                    datacenter: args.datacenter,
                    caPem: this.caPem,
                    httpAuth: this.operatorAuth,
                    token: this.tokens.consulManagement,
                },
                { parent: this },
            ),
            nomad: new nomad.Provider(
                "nomad-provider",
                {
                    address: this.nomadAddress,
                    caPem: this.caPem,
                    httpAuth: this.operatorAuth,
                    secretId: this.tokens.nomadManagement,
                },
                { parent: this },
            ),
        };
        this.firstToEnd = watchExpiry(this.certificates.validities, this);
        this.registerOutputs({ consulAddress: this.consulAddress, nomadAddress: this.nomadAddress });
    }

    private nodes(machines: Machine[], after: (machine: Machine) => pulumi.Resource[]): RollingNode[] {
        return machines.map(
            (machine) =>
                new RollingNode(
                    machine.name,
                    {
                        machine,
                        configuration: this.configuration(machine),
                        roll: this.roll(machine),
                        after: after(machine),
                        frontends: [balancerUnit],
                    },
                    { parent: this, deletedWith: this.child.deletedWith },
                ),
        );
    }

    private keyrings(machine: Machine): pulumi.Resource {
        const { gossip, tokens } = this;
        const keys = {
            consul: { key: gossip.consul, management: [tokens.consulManagement] },
            nomad: { key: gossip.nomad, management: tokens.nomadManagement },
        };
        return serverGossip(`${machine.name}-gossip`, { machine, keys: pulumi.output(keys) }, this.child);
    }

    /**
     * Nomad lets management alone hand leadership over and remove a peer. Clients could do with less, but Nomad makes the
     * secrets of all tokens but the first itself: a client would wait for the servers', and they for its turn.
     */
    private roll(machine: Machine): RollArgs {
        return {
            role: this.servers.includes(machine) ? "server" : "client",
            consul: { token: this.tokens.roll },
            nomad: { ca: nomadCaFile, token: this.tokens.nomadManagement },
        };
    }

    /** Everything that a machine is told. Holds secrets. */
    private configuration(machine: Machine): pulumi.Output<NodeConfiguration> {
        const { datacenter, network, balancer, tasks } = this.args;
        const { certificates, gossip, tokens } = this;
        const pool = this.args.members.find((member) => member.machine === machine)?.pool;
        const server = pool === undefined;
        const known = pulumi.output({
            node: nodeAddress(machine),
            servers: pulumi.all(this.servers.map(nodeAddress)),
            ca: { consul: certificates.bundles.consul, nomad: certificates.bundles.nomad },
            certificates: certificates.issue(machine, { server, operators: machine === this.servers[0] }),
            gossip,
            tasks,
            networkInterface: privateInterface(machine),
            tokens: {
                agent: tokens.agents[machine.name]!,
                dns: tokens.dns,
                balancer: tokens.balancer,
                management: tokens.consulManagement,
                nomad: server ? tokens.nomadServer : tokens.nomadClient,
            },
            snapshots: {
                ...this.args.snapshots,
                recipientPem: this.snapshotKey.certificatePem,
                tokens: { consul: tokens.snapshot, nomad: tokens.nomadManagement },
            },
            operator: { user: operatorUser, password: this.password },
        });
        return pulumi.secret(
            known.apply((values) => secureNode({ datacenter, region, network, pool, balancer, ...values })),
        );
    }
}
