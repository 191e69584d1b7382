import * as command from "@pulumi/command";
import * as consul from "@pulumi/consul";
import * as nomad from "@pulumi/nomad";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";

import type { NomadClientArgs } from "../../cloud-init";
import { nodeBalancer, type NodeBalancerArgs, operatorsPorts } from "../balancers/node-balancer";
import type { Machine } from "../machines/machine";
import { gossipKey } from "../security/gossip";
import { CertificateAuthority } from "../security/pki";
import { ClusterTokens } from "../security/tokens";
import { consulAcl, consulAclCommand } from "./consul-acl";
import { secureConsul } from "./consul-configuration";
import type { NodeAddress } from "./node";
import type { NodeConfiguration } from "./node-files";
import { onMachine, type RollArgs } from "./node-script";
import { nomadBootstrap } from "./nomad-acl";
import { nomadCaFile, secureNomad } from "./nomad-configuration";
import { clusterReadiness } from "./readiness";
import { clusterPlan, RollingNode } from "./roll";

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
    certificates: {
        /** Days for which a certificate is valid. */
        lifetimeDays: number;
        /** Days before its end from which an `up` renews it. */
        earlyRenewalDays: number;
        /** Another number makes new keys and certificates, taken over one node after the other. */
        rotation: number;
    };
    /** `rotation`: another number makes new tokens. */
    tokens: { rotation: number };
    balancer: Pick<NodeBalancerArgs, "preferLocal" | "guard">;
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

    private readonly authorities: Record<"consul" | "nomad" | "operators", CertificateAuthority>;
    private readonly gossip: { consul: pulumi.Output<string>; nomad: pulumi.Output<string> };
    private readonly password: pulumi.Output<string>;
    private readonly servers: Machine[];
    private readonly clients: Machine[];
    private readonly child: pulumi.CustomResourceOptions;

    constructor(
        private readonly label: string,
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
        const authority = (name: string) =>
            new CertificateAuthority(`${name}-ca`, { commonName: `Gatehouse ${name}` }, { parent: this });
        this.authorities = {
            consul: authority("consul"),
            nomad: authority("nomad"),
            operators: authority("operators"),
        };
        this.caPem = this.authorities.operators.bundlePem;
        this.gossip = {
            consul: gossipKey("consul-gossip", { parent: this }),
            nomad: gossipKey("nomad-gossip", { parent: this }),
        };
        this.tokens = new ClusterTokens(
            "tokens",
            { nodes: members.map(({ machine }) => machine.name), rotation: args.tokens.rotation },
            { parent: this },
        );
        this.password = new random.RandomPassword(
            "operators-password",
            { length: 24, special: false },
            { parent: this },
        ).result;
        this.operatorAuth = pulumi.interpolate`${operatorUser}:${this.password}`;

        const servers = this.nodes((member) => member.pool === undefined);
        const acl = this.accessControl(
            first,
            servers.map((node) => node.configured),
        );
        // Consul's servers sign a client's certificate for a token that they know.
        const clients = this.nodes((member) => member.pool !== undefined, acl);
        const gates = [...servers, ...clients].map((node) => node.admit(acl));
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
        const ready = this.readiness(gates);

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
        this.registerOutputs({ consulAddress: this.consulAddress, nomadAddress: this.nomadAddress });
    }

    private nodes(which: (member: ClusterMember) => boolean, after: pulumi.Resource[] = []): RollingNode[] {
        return this.args.members.filter(which).map(
            (member) =>
                new RollingNode(
                    member.machine.name,
                    {
                        machine: member.machine,
                        configuration: this.configuration(member),
                        roll: this.roll(member.machine),
                        after,
                    },
                    { parent: this, deletedWith: this.child.deletedWith },
                ),
        );
    }

    private roll(machine: Machine): RollArgs {
        return {
            role: this.servers.includes(machine) ? "server" : "client",
            consul: { token: this.tokens.roll },
            nomad: { ca: nomadCaFile, token: this.tokens.nomadManagement },
        };
    }

    /** Everything that a machine is told. Holds secrets. */
    private configuration({ machine, pool }: ClusterMember): pulumi.Output<NodeConfiguration> {
        const { datacenter, network, balancer } = this.args;
        const { name } = machine;
        const server = pool === undefined;
        const operators = machine === this.servers[0];
        const { authorities, gossip, tokens } = this;
        const certificates = {
            consul: server
                ? this.certificate("consul", name, [
                      `server.${datacenter}.consul`,
                      `${name}.server.${datacenter}.consul`,
                  ])
                : undefined,
            nomad: this.certificate("nomad", name, [`${server ? "server" : "client"}.${region}.nomad`]),
            operators: operators
                ? this.certificate("operators", name, [name], [machine.privateAddress])
                : undefined,
        };
        const address = (each: Machine) =>
            each.privateAddress.apply((at): NodeAddress => ({ name: each.name, address: at }));
        return pulumi.secret(
            pulumi
                .output({
                    node: address(machine),
                    servers: pulumi.all(this.servers.map(address)),
                    ca: { consul: authorities.consul.bundlePem, nomad: authorities.nomad.bundlePem },
                    certificates,
                    gossip,
                    tasks: this.args.tasks,
                    tokens: {
                        agent: tokens.agents[name]!,
                        dns: tokens.dns,
                        balancer: tokens.balancer,
                        management: tokens.consulManagement,
                        nomad: server ? tokens.nomadServer : tokens.nomadClient,
                    },
                    password: this.password,
                })
                .apply((known) => {
                    const { node, servers, ca, tasks, password } = known;
                    return joined(
                        secureConsul({
                            datacenter,
                            node,
                            servers,
                            caPem: ca.consul,
                            certificate: known.certificates.consul,
                            gossipKey: known.gossip.consul,
                            tokens: {
                                agent: known.tokens.agent,
                                dns: known.tokens.dns,
                                ...(server ? { initialManagement: known.tokens.management } : {}),
                            },
                        }),
                        secureNomad({
                            datacenter,
                            region,
                            node,
                            servers,
                            ...(server ? { gossipKey: known.gossip.nomad } : { pool, client: tasks }),
                            caPem: ca.nomad,
                            certificate: known.certificates.nomad,
                            consulToken: known.tokens.nomad,
                        }),
                        nodeBalancer({
                            ...balancer,
                            node,
                            network,
                            consulToken: known.tokens.balancer,
                            stats: { user: operatorUser, password },
                            ...(known.certificates.operators && {
                                operators: {
                                    certificate: known.certificates.operators,
                                    user: operatorUser,
                                    password,
                                    nomad: { caPem: ca.nomad },
                                },
                            }),
                        }),
                    );
                }),
        );
    }

    private certificate(
        authority: "consul" | "nomad" | "operators",
        node: string,
        names: string[],
        addresses: pulumi.Input<string>[] = [],
    ): { certPem: pulumi.Output<string>; keyPem: pulumi.Output<string> } {
        const { certPem, keyPem } = this.authorities[authority].issue(node, {
            commonName: names[0]!,
            dnsNames: [...names, "localhost"],
            ipAddresses: ["127.0.0.1", ...addresses],
            usages: authority === "operators" ? ["server"] : ["server", "client"],
            ...this.args.certificates,
        });
        return { certPem, keyPem };
    }

    /** What the ACL systems have to know before anybody can do anything. */
    private accessControl(server: Machine, after: pulumi.Resource[]): pulumi.Resource[] {
        const { tokens } = this;
        const consulInput = pulumi
            .all([tokens.generations, this.authorities.nomad.bundlePem])
            .apply(([generations, caPem]) =>
                consulAclCommand(
                    consulAcl({
                        datacenter: this.args.datacenter,
                        rotation: tokens.rotation,
                        tokens: generations,
                        nomad: { caPem },
                    }),
                ),
            );
        const ensure = (name: string, input: pulumi.Output<{ create: string; stdin: string }>) =>
            new command.remote.Command(
                `${this.label}-${name}`,
                {
                    ...onMachine(server),
                    // The command holds no secret, but comes with one.
                    create: pulumi.unsecret(input.create),
                    stdin: pulumi.secret(input.stdin),
                    triggers: [server.instanceId],
                },
                { ...this.child, dependsOn: after },
            );
        return [
            ensure("consul-acl", consulInput),
            ensure(
                "nomad-acl",
                tokens.nomadManagement.apply((secret) => nomadBootstrap(secret)),
            ),
        ];
    }

    /** Resolves when every member of both clusters is there. */
    private readiness(gates: command.remote.Command[]): pulumi.Output<unknown> {
        const { servers, clients, tokens } = this;
        const after = gates.map((gate) => gate.stdout);
        const consulReady = clusterReadiness(
            "consul",
            {
                script: "consul-ready.py",
                api: "http://127.0.0.1:8500",
                servers,
                clients,
                environment: tokens.consulManagement.apply((token) => ({ CONSUL_HTTP_TOKEN: token })),
                after,
            },
            this.child,
        );
        const nomadReady = clusterReadiness(
            "nomad",
            {
                script: "nomad-ready.py",
                api: "https://127.0.0.1:4646",
                servers,
                clients,
                environment: tokens.nomadManagement.apply((token) => ({
                    NOMAD_TOKEN: token,
                    SSL_CERT_FILE: nomadCaFile,
                })),
                after,
            },
            this.child,
        );
        return pulumi.all([consulReady.stdout, nomadReady.stdout]);
    }
}

/** One machine's roles together; units start in this order. */
function joined(...parts: NodeConfiguration[]): NodeConfiguration {
    return {
        files: parts.flatMap(({ files }) => files),
        units: parts.flatMap(({ units }) => units),
    };
}
