import { createHash } from "node:crypto";

import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";

import { dockerRole, etcdHost, machineConfig } from "../cloud-init";
import { machineMetadata } from "../components/applications/metadata";
import { place } from "../components/applications/place";
import { applicationUnits } from "../components/applications/units";
import { etcdBalancer, etcdBalancerPorts } from "../components/balancers/etcd-balancer";
import { BaseImages } from "../components/base-images";
import { EtcdCluster } from "../components/clusters/etcd/etcd-cluster";
import { nodeAddress } from "../components/clusters/node";
import { joinConfigurations, type NodeConfiguration, type NodeFile } from "../components/clusters/node-files";
import { RollingNode } from "../components/clusters/roll";
import { etcdSnapshots, nodeSnapshots } from "../components/clusters/snapshots";
import { httpReady } from "../components/containers/ready";
import { ApplicationImages } from "../components/images";
import type { Machine, PublishedPort, Substrate } from "../components/machines/machine";
import { ports } from "../components/security/ports";
import { SealingKey } from "../components/security/sealing";
import { type EtcdNode, etcdNodes, type EtcdSettings } from "../settings/etcd";
import { seconds } from "../settings/guard";
import { imageReference } from "../toolchain/images";
import { etcd as needs } from "../toolchain/labs.json";
import { type StoreSummary, summariseStore } from "./etcd-changes";
import { etcdReadme, etcdTopology } from "./etcd-pages";
import { operatorsEnvironment } from "./etcd-operators";
import type { JobSummary, Lab, MachineSummary } from "./lab";
import { endpointUrl, summariseMachine } from "./outputs";
import { type SnapshotAccess, snapshotAccess } from "./snapshot-access";
import { dockerSubstrate } from "./substrate";

const statsUser = "admin";

export interface EtcdLabArgs {
    config: EtcdSettings;
}

/**
 * Members of etcd; machines whose units announce themselves there; and a balancer that confd renders from what they say.
 */
export class EtcdLab extends pulumi.ComponentResource implements Lab {
    readonly urls: pulumi.Output<Record<string, string>>;
    readonly jobs = pulumi.output<Record<string, JobSummary>>({});
    readonly machines: pulumi.Output<MachineSummary[]>;
    readonly cluster: pulumi.Output<StoreSummary>;
    readonly environment: pulumi.Output<Record<string, string>>;
    readonly topology: pulumi.Output<string>;
    readonly readme: pulumi.Output<string>;
    readonly snapshots: pulumi.Output<SnapshotAccess>;

    private readonly config: EtcdSettings;
    private readonly nodes: (EtcdNode & { machine: Machine })[];
    private readonly images: ApplicationImages;
    private readonly store: EtcdCluster;
    private readonly child: pulumi.ComponentResourceOptions;

    constructor(name: string, args: EtcdLabArgs, opts?: pulumi.ComponentResourceOptions) {
        super("gatehouse:labs:EtcdLab", name, {}, opts);
        const { config } = args;
        this.config = config;

        const bases = new BaseImages("base-images", { names: needs.images }, { parent: this });
        const substrate = dockerSubstrate({ config, bases, machineImage: "machine-etcd" }, { parent: this });
        // With the whole lab gone there is nothing to take leave of.
        this.child = { parent: this, deletedWith: substrate.foundation };
        this.images = new ApplicationImages(
            "images",
            {
                registry: substrate.registry,
                bases: { node: imageReference("node") },
                basesReady: [bases],
                applications: ["hello"],
            },
            { parent: this },
        );
        this.nodes = etcdNodes(config).map((node) => ({ ...node, machine: this.machine(substrate, node) }));
        const snapshotKey = new SealingKey(
            "snapshots",
            { commonName: "Gatehouse snapshots" },
            { parent: this },
        );
        this.store = this.makeStore(snapshotKey);
        const password = new random.RandomPassword(
            "haproxy-stats-password",
            { length: 24, special: false },
            { parent: this },
        ).result;
        const workers = [...this.runApplications(), this.balance(password)];
        const complete = this.store.complete(workers);
        const [balancer] = this.having("balancer");
        const stats = balancer!.endpoint(etcdBalancerPorts.stats);
        // Done when a unit has registered, was rendered, and HAProxy has reached it.
        const ready = httpReady(
            "webapp",
            {
                url: pulumi.interpolate`http://${stats.host}:${stats.port}/ready`,
                triggers: this.nodes.map(({ machine }) => machine.instanceId),
            },
            { ...this.child, dependsOn: complete },
        );

        this.urls = pulumi.all({
            webapp: endpointUrl(balancer!, etcdBalancerPorts.http, ready.stdout),
            haproxyStats: endpointUrl(balancer!, etcdBalancerPorts.stats, ready.stdout),
            etcd: pulumi.unsecret(this.store.operators.endpoint),
        });
        this.machines = pulumi.all(this.nodes.map(({ machine }) => summariseMachine(machine)));
        // Said when it is there.
        this.cluster = pulumi.unsecret(
            this.store.operators.apply(() => summariseStore(config, pulumi.getStack())),
        );
        this.environment = operatorsEnvironment(this.store.operators, { user: statsUser, password });
        this.snapshots = snapshotAccess({
            systems: ["etcd"],
            ...config.snapshots,
            keyPem: snapshotKey.privateKeyPem,
            servers: this.having("member"),
        });
        this.topology = this.urls.apply((urls) => etcdTopology(config, urls));
        this.readme = pulumi
            .all([this.urls, this.topology, this.store.firstToEnd()])
            .apply(([urls, topology, certificate]) => etcdReadme(urls, topology, certificate));
        this.registerOutputs({ urls: this.urls });
    }

    private having(role: EtcdNode["role"]): Machine[] {
        return this.nodes.filter((node) => node.role === role).map(({ machine }) => machine);
    }

    private machine(substrate: Substrate, { name, role, metadata }: EtcdNode): Machine {
        const cloudConfig = substrate.registry.pullAddress.apply((registry) =>
            machineConfig(
                etcdHost(),
                ...(role === "application" ? [dockerRole({ insecureRegistries: [registry] })] : []),
            ),
        );
        const words = Object.entries(metadata).map(([key, value]) => `${key}=${value}`);
        const roles = { member: ["etcd"], application: ["docker", ...words], balancer: ["balancer"] };
        return substrate.addMachine(name, {
            roles: roles[role],
            cloudConfig,
            publishedPorts: this.publishedPorts(name),
            ...(role === "member" && { apart: "members" }),
        });
    }

    private publishedPorts(name: string): PublishedPort[] {
        const { webapp, haproxyStats, etcd } = this.config.ports;
        switch (name) {
            case "balancer-1":
                return [
                    { port: etcdBalancerPorts.http, publishedPort: webapp, audience: "public" },
                    { port: etcdBalancerPorts.stats, publishedPort: haproxyStats, audience: "operators" },
                ];
            case "etcd-1":
                return [{ port: ports.etcdClient.from, publishedPort: etcd, audience: "operators" }];
            default:
                return [];
        }
    }

    private makeStore(snapshotKey: SealingKey): EtcdCluster {
        const { certificates, passwords, store, snapshots, webapp } = this.config;
        const members = this.having("member");
        const addresses = pulumi.all(members.map(nodeAddress));
        const cluster: EtcdCluster = new EtcdCluster(
            "cluster",
            {
                members,
                applications: [webapp.name],
                // A new CA is not one setting here yet.
                certificates: { ...certificates, authorities: { signing: 1, trusted: [1] } },
                passwords,
                quotaBytes: store.quotaMebibytes * 2 ** 20,
                compaction: store.history,
                also: (machine, root) =>
                    pulumi
                        .all([
                            nodeAddress(machine),
                            addresses,
                            pulumi.output(root),
                            snapshotKey.certificatePem,
                        ])
                        .apply(([node, servers, client, recipientPem]) =>
                            nodeSnapshots({
                                node,
                                servers,
                                sources: [etcdSnapshots(client)],
                                interval: seconds(snapshots.interval),
                                keep: snapshots.keep,
                                recipientPem,
                            }),
                        ),
            },
            this.child,
        );
        return cluster;
    }

    /** The units of every machine for applications: one that has none to run is a machine of the cluster all the same. */
    private runApplications(): { name: string; gate: RollingNode["gate"] }[] {
        const { webapp, registration } = this.config;
        const nodes = this.nodes.filter(({ role }) => role === "application");
        const placed = place({
            name: webapp.name,
            instances: webapp.count,
            machines: nodes,
            requires: webapp.requires,
            perMachine: webapp.perMachine,
        });
        return nodes.map(({ name, metadata, machine }) => {
            const instances = placed.get(name) ?? [];
            const units = pulumi
                .all([
                    nodeAddress(machine),
                    pulumi.output(this.store.account(`app-${webapp.name}`)),
                    webapp.image ?? this.images.reference("hello"),
                ])
                .apply(([node, etcd, image]) =>
                    applicationUnits({
                        node,
                        application: {
                            name: webapp.name,
                            image,
                            basePort: webapp.port,
                            environment: { NAME: webapp.message, SESSION_COOKIE: webapp.sessionCookie },
                        },
                        instances,
                        etcd,
                        lease: seconds(registration.lease),
                        deregisterDelay: seconds(registration.shutdownDelay),
                    }),
                );
            return this.worker(machine, this.store.clientFiles(machine), machineMetadata(metadata), units);
        });
    }

    private balance(password: pulumi.Output<string>): { name: string; gate: RollingNode["gate"] } {
        const { webapp, balancer, discovery, interval, network } = this.config;
        const { guard, maxServers } = balancer;
        const [machine] = this.having("balancer");
        const files = this.store.clientFiles(machine!);
        const configuration = pulumi
            .all([nodeAddress(machine!), pulumi.output(this.store.account("balancer")), password, files])
            .apply(([node, etcd, statsPassword, known]) =>
                etcdBalancer({
                    node,
                    etcd,
                    etcdFiles: digestOf(known),
                    application: {
                        name: webapp.name,
                        ports: { from: webapp.port, to: webapp.port + webapp.perMachine - 1 },
                        sessionCookie: webapp.sessionCookie,
                        maxServers,
                    },
                    network: network.subnet,
                    discovery,
                    intervalSeconds: seconds(interval),
                    stats: { user: statsUser, password: statsPassword },
                    guard: {
                        minimumShare: guard.minimumShare,
                        holdSeconds: seconds(guard.hold),
                        reloadBurst: guard.reloadBurst,
                        reloadGapMilliseconds: seconds(guard.reloadGap) * 1000,
                    },
                }),
            );
        return this.worker(machine!, files, configuration);
    }

    /** A machine of the cluster that is no member of etcd. */
    private worker(
        machine: Machine,
        files: pulumi.Input<NodeFile[]>,
        ...parts: pulumi.Input<NodeConfiguration>[]
    ): { name: string; gate: RollingNode["gate"] } {
        const own = pulumi.output(files).apply((all): NodeConfiguration => ({ files: all, units: [] }));
        const node = new RollingNode(
            machine.name,
            {
                machine,
                configuration: pulumi.secret(
                    pulumi.all([own, ...parts]).apply((all) => joinConfigurations(...all)),
                ),
                roll: this.store.clientRoll(),
            },
            this.child,
        );
        return { name: machine.name, gate: node.gate };
    }
}

/** Of what is in files; a key's digest is no secret. */
function digestOf(files: readonly NodeFile[]): string {
    const content = files.map((file) => file.content).join("\0");
    return createHash("sha256").update(content).digest("hex").slice(0, 16);
}
