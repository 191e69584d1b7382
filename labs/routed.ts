import * as pulumi from "@pulumi/pulumi";

import { balancerHost, consulHost, dockerRole, machineConfig, nomadHost } from "../cloud-init";
import { operatorsPorts } from "../components/balancers/node-balancer";
import { propagation, type Propagation } from "../components/balancers/propagation";
import { BaseImages } from "../components/base-images";
import { NomadAccess } from "../components/clusters/nomad-acl";
import { type ClusterMember, SecureCluster } from "../components/clusters/secure-cluster";
import { ApplicationImages, pauseImage } from "../components/images";
import { CountDash } from "../components/jobs/countdash";
import { HelloWorld } from "../components/jobs/helloworld";
import { WebApp } from "../components/jobs/webapp";
import type { Machine, PublishedPort, Substrate } from "../components/machines/machine";
import { ports } from "../components/security/ports";
import { behindGuard } from "../settings/discovery";
import { seconds } from "../settings/guard";
import { type RoutedNode, routedNodes, type RoutedSettings } from "../settings/routed";
import { imageReference } from "../toolchain/images";
import { routed as needs } from "../toolchain/labs.json";
import { jobBases } from "./images";
import type { JobSummary, Lab, MachineSummary } from "./lab";
import { endpointUrl, summariseJobs, summariseMachine } from "./outputs";
import { type LastRotations, nextRotations } from "./rotations";
import { type ClusterSummary, summariseCluster } from "./routed-changes";
import { routedReadme, routedTopology } from "./routed-pages";
import { type SnapshotAccess, snapshotAccess } from "./snapshot-access";
import { basesOn, labSubstrate } from "./substrate";

const dashboardPort = 9002;

export interface RoutedLabArgs {
    config: RoutedSettings;
    /** What the last update left. Default: there is no cluster yet. */
    last?: LastRotations;
}

/**
 * Servers and clients of an encrypted Consul and Nomad cluster; on every machine HAProxy and a resolver, so that
 * `http://<service>.service` works from everywhere.
 */
export class RoutedLab extends pulumi.ComponentResource implements Lab {
    readonly urls: pulumi.Output<Record<string, string>>;
    readonly jobs: pulumi.Output<Record<string, JobSummary>>;
    readonly machines: pulumi.Output<MachineSummary[]>;
    readonly cluster: pulumi.Output<ClusterSummary>;
    readonly environment: pulumi.Output<Record<string, string>>;
    readonly topology: pulumi.Output<string>;
    readonly readme: pulumi.Output<string>;
    readonly propagation: pulumi.Output<Propagation>;
    readonly snapshots: pulumi.Output<SnapshotAccess>;

    private readonly config: RoutedSettings;
    private readonly nodes: RoutedNode[];

    constructor(name: string, args: RoutedLabArgs, opts?: pulumi.ComponentResourceOptions) {
        super("gatehouse:labs:RoutedLab", name, {}, opts);
        this.config = args.config;
        this.nodes = routedNodes(args.config);
        const {
            datacenter,
            certificates,
            tokens,
            gossip,
            discovery,
            balancer,
            network,
            versions,
            snapshots,
        } = args.config;

        const { rotations, said } = nextRotations(args.last, args.config);
        if (said !== undefined) {
            void pulumi.log.warn(said, this);
        }

        const names = basesOn(args.config.substrate, needs);
        const bases = new BaseImages("base-images", { names, versions }, { parent: this });
        const substrate = labSubstrate(
            { config: args.config, bases, machineImage: "machine-routed" },
            { parent: this },
        );
        const images = new ApplicationImages(
            "images",
            {
                registry: substrate.registry,
                bases: jobBases(),
                basesReady: [bases],
                applications: ["hello", "counter-api", "counter-dashboard", "envoy"],
            },
            { parent: this },
        );
        const members = this.nodes.map((node): ClusterMember => ({
            machine: this.machine(substrate, node),
            pool: node.pool,
        }));
        const clients = members.filter(({ pool }) => pool !== undefined).map(({ machine }) => machine);
        const ingress =
            clients.length === 0
                ? undefined
                : substrate.ingress("ingress", { machines: clients, ports: [ports.http.from] });
        const { guard } = balancer;
        const cluster = new SecureCluster(
            "cluster",
            {
                datacenter,
                network: network.subnet,
                members,
                tasks: substrate.registry.pullAddress.apply((registry) => ({
                    sidecarImage: `${registry}/envoy:lab`,
                    infraImage: pauseImage(registry, imageReference("pause")),
                })),
                certificates: { ...certificates, authorities: rotations.authorities },
                tokens,
                gossip,
                snapshots: { ...snapshots, interval: seconds(snapshots.interval) },
                balancer: {
                    discovery,
                    preferLocal: balancer.preferLocal,
                    proxySources: ingress?.proxySources,
                    guard: {
                        minimumShare: guard.minimumShare,
                        holdSeconds: seconds(guard.hold),
                        reloadBurst: guard.reloadBurst,
                        reloadGapMilliseconds: seconds(guard.reloadGap) * 1000,
                    },
                },
            },
            { parent: this, deletedWith: substrate.foundation },
        );

        const onCluster: pulumi.ComponentResourceOptions = {
            parent: this,
            providers: [cluster.providers.consul, cluster.providers.nomad],
            // With the whole lab gone there is nothing to stop job by job.
            deletedWith: substrate.foundation,
            dependsOn: images.ready,
        };
        // What has a port of its own runs on the first machine that takes requests.
        const entry = ingress?.machines[0];
        const deployed = entry === undefined ? [] : this.deploy(images, entry, onCluster);

        const addresses: Record<string, pulumi.Output<string>> = {
            consul: cluster.consulAddress,
            nomad: cluster.nomadAddress,
        };
        if (ingress !== undefined && entry !== undefined) {
            const all = deployed.map(({ job }) => job.status);
            addresses["http"] = endpointUrl(ingress, ports.http.from, ...all);
            addresses["dashboard"] = endpointUrl(entry, dashboardPort, ...all);
        }
        this.urls = pulumi.all(addresses);
        this.jobs = summariseJobs(this.urls, deployed);
        this.machines = pulumi.all(members.map(({ machine }) => summariseMachine(machine)));
        // Said when it is there.
        this.cluster = cluster.consulAddress.apply(() =>
            summariseCluster(args.config, pulumi.getStack(), rotations),
        );
        const access = new NomadAccess(
            "nomad-access",
            { provider: cluster.providers.nomad, rotation: tokens.rotation },
            { parent: this, deletedWith: substrate.foundation },
        );
        this.environment = operatorsEnvironment(cluster, access);
        this.snapshots = snapshotAccess({
            systems: ["consul", "nomad"],
            datacenter,
            ...snapshots,
            keyPem: cluster.snapshotKeyPem,
            servers: members.filter(({ pool }) => pool === undefined).map(({ machine }) => machine),
        });
        const { helloworld, webapp } = args.config;
        this.topology = this.urls.apply((urls) =>
            routedTopology({
                nodes: this.nodes,
                instances: { helloworld: helloworld.count, webapp: webapp.count },
                urls,
            }),
        );
        this.readme = pulumi
            .all([this.urls, this.topology, cluster.firstToEnd])
            .apply(([urls, topology, certificate]) => routedReadme(urls, topology, certificate));
        this.propagation = pulumi.output(propagation({ discovery: behindGuard(discovery, guard) }));
        this.registerOutputs({ urls: this.urls });
    }

    /** A machine that Consul and Nomad can run on. What they are told comes over SSH. */
    private machine(substrate: Substrate, node: RoutedNode): Machine {
        const client = node.pool !== undefined;
        const { versions } = this.config;
        const cloudConfig = pulumi
            .all([substrate.registry.pullAddress, substrate.addressOf(node.name)])
            .apply(([registry, address]) =>
                machineConfig(
                    consulHost({ version: versions.consul }),
                    nomadHost({ client, version: versions.nomad }),
                    balancerHost(),
                    // Containers ask the machine's own resolver.
                    ...(client ? [dockerRole({ insecureRegistries: [registry], dns: [address] })] : []),
                ),
            );
        return substrate.addMachine(node.name, {
            roles: client ? ["consul-client", "nomad-client"] : ["consul-server", "nomad-server"],
            cloudConfig,
            publishedPorts: this.publishedPorts(node, substrate.balances),
            ...(!client && { apart: "servers" }),
        });
    }

    /** The first server takes operators' requests; the first client the users', or all clients what is balanced. */
    private publishedPorts({ name, pool }: RoutedNode, balanced: boolean): PublishedPort[] {
        const published = this.config.ports;
        const first = (client: boolean) =>
            this.nodes.find(({ pool }) => (pool !== undefined) === client)?.name === name;
        return [
            ...(first(false)
                ? [
                      operators(operatorsPorts.consul, published.consul),
                      operators(operatorsPorts.nomad, published.nomad),
                  ]
                : []),
            ...(first(true) || (balanced && pool !== undefined)
                ? [{ port: ports.http.from, publishedPort: published.http, audience: "public" as const }]
                : []),
            ...(first(true) ? [operators(dashboardPort, published.dashboard)] : []),
        ];
    }

    private deploy(images: ApplicationImages, entry: Machine, opts: pulumi.ComponentResourceOptions) {
        const { datacenter, helloworld, webapp, countdash } = this.config;
        const datacenters = [datacenter];
        const hello = images.reference("hello");
        return [
            {
                job: new HelloWorld(
                    "helloworld",
                    { datacenters, image: hello, count: helloworld.count },
                    opts,
                ).job,
                url: "http",
            },
            {
                job: new WebApp(
                    "demo-webapp",
                    {
                        datacenters,
                        count: webapp.count,
                        message: webapp.message,
                        image: webapp.image ?? hello,
                        tags: ["web", "routed"],
                    },
                    opts,
                ).job,
                url: "http",
            },
            {
                job: new CountDash(
                    "countdash",
                    {
                        datacenters,
                        apiImage: images.reference("counter-api"),
                        dashboardImage: images.reference("counter-dashboard"),
                        sidecarImage: images.reference("envoy"),
                        node: entry.name,
                        dashboardPort,
                        intention: countdash.intention,
                    },
                    opts,
                ).job,
                url: "dashboard",
            },
        ];
    }
}

/** Variables of the command lines, and what goes into them. */
function operatorsEnvironment(
    cluster: SecureCluster,
    access: NomadAccess,
): pulumi.Output<Record<string, string>> {
    return pulumi.secret(
        pulumi.all({
            CONSUL_HTTP_ADDR: cluster.consulAddress,
            CONSUL_HTTP_AUTH: cluster.operatorAuth,
            CONSUL_HTTP_TOKEN: cluster.tokens.consulManagement,
            NOMAD_ADDR: cluster.nomadAddress,
            NOMAD_HTTP_AUTH: cluster.operatorAuth,
            NOMAD_TOKEN: cluster.tokens.nomadManagement,
            GATEHOUSE_CA: cluster.caPem,
            GATEHOUSE_CONSUL_OPERATOR_TOKEN: cluster.tokens.operator,
            GATEHOUSE_NOMAD_OPERATOR_TOKEN: access.tokens.operators,
            GATEHOUSE_NOMAD_DEPLOY_TOKEN: access.tokens.deploy,
        }),
    );
}

function operators(port: number, publishedPort: number): PublishedPort {
    return { port, publishedPort, audience: "operators" };
}
