import type * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";

import type { Machine } from "../../machines/machine";
import { type ArgumentProblem, countProblem, refuseArguments } from "../../security/arguments";
import { type FirstToEnd, watchExpiry } from "../../security/expiry";
import { ports } from "../../security/ports";
import type { CertificateSettings } from "../cluster-certificates";
import { nodeAddress } from "../node";
import { joinConfigurations, type NodeConfiguration, type NodeFile } from "../node-files";
import type { RollArgs } from "../node-script";
import { clusterPlan, RollingNode } from "../roll";
import { etcdAccess, etcdAccessControl, type EtcdRole, etcdUser } from "./access";
import { EtcdCertificates } from "./certificates";
import { type EtcdClient, etcdClientFiles } from "./client";
import { Founding } from "./founding";
import { clientUrl, etcdMember, type EtcdMemberArgs, memberProblems } from "./member";

export interface EtcdClusterArgs extends Pick<EtcdMemberArgs, "compaction" | "quotaBytes"> {
    /** 1, 3 or 5. The first publishes {@link ports.etcdClient} for operators. */
    members: readonly Machine[];
    certificates: CertificateSettings;
    /** `rotation`: raised by one, all passwords but root's give way to their next. By more is not safe. */
    passwords: { rotation: number };
    /** Names of applications that register; each gets a role of its own. */
    applications: readonly string[];
    /** The only member's machine may be replaced with all that it holds. Default: false. */
    expendable?: boolean;
    /**
     * What else members are told, e.g. to take snapshots, for which `root` is needed. May hold secrets. Default: nothing.
     */
    also?: (machine: Machine, root: EtcdAccount) => pulumi.Input<NodeConfiguration>;
}

/** {@link EtcdClient} before everything is known. */
export type EtcdAccount = Omit<EtcdClient, "endpoints" | "password"> & {
    endpoints: pulumi.Output<string[]>;
    /** Secret. */
    password: pulumi.Output<string>;
};

/** What an operator's `etcdctl` needs. Secret. */
export interface EtcdOperators {
    /** E.g. `https://127.0.0.1:2379`. */
    endpoint: string;
    /** PEM. */
    caPem: string;
    certificatePem: string;
    keyPem: string;
    user: string;
    password: string;
}

/**
 * etcd on machines that trust each other by certificates, and everybody else by certificate and password. All secrets are
 * made before a machine boots and travel over SSH; a change is taken over one member after the other
 * ({@link RollingNode}), and a replaced member comes back as a learner (files/etcd_join.py).
 *
 * Other machines are told of it by {@link clientFiles} and {@link account}; when they are there, {@link complete} is to be
 * called.
 */
export class EtcdCluster extends pulumi.ComponentResource {
    /** Where machines reach the members. Known before there is a cluster, so that no machine waits for another. */
    readonly endpoints: pulumi.Output<string[]>;
    /** The authorities (PEM) of the members' certificates. */
    readonly caPem: pulumi.Output<string>;
    /** For operators, when every member votes and all users are there: they are `root`. Secret. */
    readonly operators: pulumi.Output<EtcdOperators>;

    private readonly certificates: EtcdCertificates;
    private readonly founding: Founding;
    private readonly rootPassword: pulumi.Output<string>;
    private readonly passwords: Record<
        string,
        { current: pulumi.Output<string>; next: pulumi.Output<string> }
    >;
    private readonly gates: command.remote.Command[];
    /** All users are known to etcd, those of earlier generations, too. */
    private readonly known: command.remote.Command;
    private readonly child: pulumi.CustomResourceOptions;

    /** @throws pulumi.InputPropertiesError that names every argument that cannot be used. */
    constructor(
        private readonly label: string,
        private readonly args: EtcdClusterArgs,
        opts: pulumi.ComponentResourceOptions = {},
    ) {
        super("gatehouse:clusters:EtcdCluster", label, {}, opts);
        refuse(label, args);
        // Children do not inherit it.
        this.child = { parent: this, deletedWith: opts.deletedWith };
        const { members } = args;
        this.certificates = new EtcdCertificates(args.certificates, { parent: this });
        this.founding = new Founding(label, { members, expendable: args.expendable ?? false }, this.child);
        this.rootPassword = this.password("root");
        const roles: EtcdRole[] = [
            "nodes",
            "balancer",
            ...args.applications.map((name): EtcdRole => `app-${name}`),
        ];
        const { rotation } = args.passwords;
        // By name, and not replaced: what is the next password today is the current one after a rotation.
        this.passwords = Object.fromEntries(
            roles.map((role) => [
                role,
                {
                    current: this.password(`${role}-generation-${rotation}`),
                    next: this.password(`${role}-generation-${rotation + 1}`),
                },
            ]),
        );
        this.endpoints = pulumi.all(members.map(nodeAddress)).apply((nodes) => nodes.map(clientUrl));
        this.caPem = this.certificates.bundles.clients;
        this.gates = members.map((machine) => this.member(machine).gate);
        // Members and other machines do not wait for it: a node that has the turn must not wait for one that wants it.
        this.known = this.access("access", true, this.gates);
        this.operators = this.operatorsAccess(this.known);
        this.registerOutputs({ endpoints: this.endpoints, caPem: this.caPem });
    }

    /** What a machine has to show: {@link etcdClientFiles}. To be called once for each machine that is no member. */
    clientFiles(machine: Machine): pulumi.Output<NodeFile[]> {
        return this.certificates.clientFiles(this.certificates.client(machine.name));
    }

    /** How programs on a machine reach etcd, as the role's user. */
    account(role: EtcdRole): EtcdAccount {
        const passwords = this.passwords[role];
        if (passwords === undefined) {
            throw new pulumi.InputPropertyError({
                propertyPath: "applications",
                reason: `${role} is no role of ${this.label}; name its application there`,
            });
        }
        const user = etcdUser(role, this.args.passwords.rotation);
        return { ...etcdClientFiles, endpoints: this.endpoints, user, password: passwords.current };
    }

    /** How a machine that is no member takes turns with the others. */
    clientRoll(): RollArgs {
        return { role: "client", etcd: this.account("nodes") };
    }

    /**
     * To be called once, when all other machines of the cluster have their nodes: users of earlier generations, and those
     * of applications that are no more, are worth nothing from then on, and whoever waits for its turn knows who ought to
     * be there.
     */
    complete(clients: readonly { name: string; gate: command.remote.Command }[]): command.remote.Command[] {
        const gates = [...this.gates, ...clients.map(({ gate }) => gate)];
        const first = this.args.members[0]!;
        const plan = clusterPlan(
            `${this.label}-plan`,
            {
                machine: first,
                servers: this.args.members.map(({ name }) => name),
                clients: clients.map(({ name }) => name),
                roll: this.memberRoll(),
            },
            { ...this.child, dependsOn: gates },
        );
        return [plan, this.access("access-rest", false, [...gates, this.known, plan])];
    }

    /** The certificate that ends first, of those that there are by then: to be called once, last. */
    firstToEnd(): pulumi.Output<FirstToEnd> {
        return watchExpiry(this.certificates.validities, this);
    }

    private member(machine: Machine): RollingNode {
        const { members, compaction, quotaBytes, also } = this.args;
        const { certificates, founding } = this;
        const known = pulumi.output({
            node: nodeAddress(machine),
            members: pulumi.all(members.map(nodeAddress)),
            clusterToken: founding.clusterToken,
            ca: certificates.bundles,
            certificates: certificates.member(machine),
            rootPassword: this.rootPassword,
        });
        const configuration = pulumi
            .all([known, this.clientFiles(machine), also?.(machine, this.root) ?? { files: [], units: [] }])
            .apply(([values, files, more]) =>
                joinConfigurations(
                    { files, units: [] },
                    etcdMember({ ...values, compaction, quotaBytes }),
                    more,
                ),
            );
        return new RollingNode(
            machine.name,
            {
                machine,
                configuration: pulumi.secret(configuration),
                roll: this.memberRoll(),
                after: [founding.seed(machine)],
                units: ["etcd.service"],
            },
            { parent: this, deletedWith: this.child.deletedWith },
        );
    }

    /** etcd lets root alone hand leadership over and remove a member. */
    private memberRoll(): RollArgs {
        return { role: "server", expendable: this.args.expendable, etcd: this.root };
    }

    private get root(): EtcdAccount {
        return {
            ...etcdClientFiles,
            endpoints: this.endpoints,
            user: "root",
            password: this.rootPassword,
        };
    }

    private access(suffix: string, keep: boolean, dependsOn: pulumi.Resource[]): command.remote.Command {
        const { rotation } = this.args.passwords;
        const plan = pulumi
            .output({ rootPassword: this.rootPassword, passwords: this.passwords })
            .apply((known) => etcdAccess({ ...known, rotation }));
        return etcdAccessControl(
            `${this.label}-${suffix}`,
            { machine: this.args.members[0]!, plan, endpoints: this.endpoints, keep },
            { ...this.child, dependsOn },
        );
    }

    private operatorsAccess(access: command.remote.Command): pulumi.Output<EtcdOperators> {
        const { certPem, keyPem } = this.certificates.client("operators");
        const endpoint = this.args.members[0]!.endpoint(ports.etcdClient.from);
        return pulumi.secret(
            pulumi
                .all([endpoint, this.caPem, certPem, keyPem, this.rootPassword, access.stdout])
                .apply(([{ host, port }, caPem, certificatePem, key, password]) => ({
                    endpoint: `https://${host}:${port}`,
                    caPem,
                    certificatePem,
                    keyPem: key,
                    user: "root",
                    password,
                })),
        );
    }

    private password(name: string): pulumi.Output<string> {
        const password = new random.RandomPassword(
            `${this.label}-${name}`,
            { length: 32, special: false },
            { parent: this },
        );
        return password.result;
    }
}

function refuse(label: string, { members, passwords, expendable }: EtcdClusterArgs): void {
    const problems: ArgumentProblem[] = [
        ...memberProblems(members.map(({ name }) => ({ name }))),
        ...countProblem("passwords.rotation", passwords.rotation),
    ];
    if (expendable && members.length > 1) {
        const reason = "is for one member alone: several take each other's places without losing anything";
        problems.push({ propertyPath: "expendable", reason });
    }
    refuseArguments(`the etcd cluster ${label}`, problems);
}
