import * as pulumi from "@pulumi/pulumi";

import { consulHost, dockerRole, machineConfig, nomadHost } from "../cloud-init";
import { operatorsPorts } from "../components/balancers/node-balancer";
import { BaseImages } from "../components/base-images";
import { type ClusterMember, SecureCluster } from "../components/clusters/secure-cluster";
import { ApplicationImages, pauseImage } from "../components/images";
import { CountDash } from "../components/jobs/countdash";
import { HelloWorld } from "../components/jobs/helloworld";
import { WebApp } from "../components/jobs/webapp";
import type { Machine, PublishedPort, Substrate } from "../components/machines/machine";
import { createSubstrate } from "../components/machines/substrate";
import { ports } from "../components/security/ports";
import { seconds } from "../settings/guard";
import { type RoutedNode, routedNodes, type RoutedSettings } from "../settings/routed";
import { imageReference } from "../toolchain/images";
import { routed as needs } from "../toolchain/labs.json";
import type { JobSummary, Lab, MachineSummary } from "./lab";
import { endpointUrl, summariseJobs, summariseMachine } from "./outputs";
import { routedReadme, routedTopology } from "./routed-pages";

const dashboardPort = 9002;

export interface RoutedLabArgs {
    config: RoutedSettings;
}

/**
 * Servers and clients of an encrypted Consul and Nomad cluster; on every machine HAProxy and a resolver, so that
 * `http://<service>.service` works from everywhere.
 */
export class RoutedLab extends pulumi.ComponentResource implements Lab {
    readonly urls: pulumi.Output<Record<string, string>>;
    readonly jobs: pulumi.Output<Record<string, JobSummary>>;
    readonly machines: pulumi.Output<MachineSummary[]>;
    readonly environment: pulumi.Output<Record<string, string>>;
    readonly topology: pulumi.Output<string>;
    readonly readme: pulumi.Output<string>;

    private readonly config: RoutedSettings;
    private readonly nodes: RoutedNode[];

    constructor(name: string, args: RoutedLabArgs, opts?: pulumi.ComponentResourceOptions) {
        super("gatehouse:labs:RoutedLab", name, {}, opts);
        this.config = args.config;
        this.nodes = routedNodes(args.config);
        const { datacenter, certificates, tokens, balancer, network } = args.config;

        const bases = new BaseImages("base-images", { names: needs.images }, { parent: this });
        const substrate = this.substrate(bases);
        const images = this.images(substrate, bases);
        const members = this.nodes.map((node): ClusterMember => ({
            machine: this.machine(substrate, node),
            pool: node.pool,
        }));
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
                certificates,
                tokens,
                balancer: {
                    preferLocal: balancer.preferLocal,
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
        const entry = members.find(({ pool }) => pool !== undefined)?.machine;
        const deployed = entry === undefined ? [] : this.deploy(images, entry, onCluster);

        const addresses: Record<string, pulumi.Output<string>> = {
            consul: cluster.consulAddress,
            nomad: cluster.nomadAddress,
        };
        if (entry !== undefined) {
            const all = deployed.map(({ job }) => job.status);
            addresses["http"] = endpointUrl(entry, ports.http.from, ...all);
            addresses["dashboard"] = endpointUrl(entry, dashboardPort, ...all);
        }
        this.urls = pulumi.all(addresses);
        this.jobs = summariseJobs(this.urls, deployed);
        this.machines = pulumi.all(members.map(({ machine }) => summariseMachine(machine)));
        this.environment = pulumi.secret(
            pulumi
                .all([
                    cluster.consulAddress,
                    cluster.nomadAddress,
                    cluster.operatorAuth,
                    cluster.tokens.consulManagement,
                    cluster.tokens.nomadManagement,
                    cluster.caPem,
                ])
                .apply(([consul, nomad, auth, consulToken, nomadToken, ca]): Record<string, string> => ({
                    CONSUL_HTTP_ADDR: consul,
                    CONSUL_HTTP_AUTH: auth,
                    CONSUL_HTTP_TOKEN: consulToken,
                    NOMAD_ADDR: nomad,
                    NOMAD_HTTP_AUTH: auth,
                    NOMAD_TOKEN: nomadToken,
                    GATEHOUSE_CA: ca,
                })),
        );
        const { helloworld, webapp } = args.config;
        this.topology = this.urls.apply((urls) =>
            routedTopology({
                nodes: this.nodes,
                instances: { helloworld: helloworld.count, webapp: webapp.count },
                urls,
            }),
        );
        this.readme = pulumi
            .all([this.urls, this.topology])
            .apply(([urls, topology]) => routedReadme(urls, topology));
        this.registerOutputs({ urls: this.urls });
    }

    private substrate(bases: BaseImages): Substrate {
        const { substrate: kind, network, ports: published } = this.config;
        return createSubstrate(
            "machines",
            {
                kind,
                project: pulumi.getProject(),
                stack: pulumi.getStack(),
                subnet: network.subnet,
                machineImage: bases.reference("machine-routed"),
                registryImage: bases.reference("registry"),
                registryPort: published.registry,
                sshPortBase: published.ssh,
            },
            { parent: this },
        );
    }

    private images(substrate: Substrate, bases: BaseImages): ApplicationImages {
        return new ApplicationImages(
            "images",
            {
                registry: substrate.registry,
                bases: {
                    node: imageReference("node"),
                    pause: imageReference("pause"),
                    "haproxy-base": imageReference("haproxy-base"),
                    "envoy-base": imageReference("envoy-base"),
                },
                basesReady: [bases],
                applications: ["hello", "counter-api", "counter-dashboard", "envoy"],
            },
            { parent: this },
        );
    }

    /** A machine that Consul and Nomad can run on. What they are told comes over SSH. */
    private machine(substrate: Substrate, node: RoutedNode): Machine {
        const client = node.pool !== undefined;
        const cloudConfig = pulumi
            .all([substrate.registry.pullAddress, substrate.addressOf(node.name)])
            .apply(([registry, address]) =>
                machineConfig(
                    consulHost(),
                    nomadHost({ client }),
                    // Containers ask the machine's own resolver.
                    ...(client ? [dockerRole({ insecureRegistries: [registry], dns: [address] })] : []),
                ),
            );
        return substrate.addMachine(node.name, {
            roles: client ? ["consul-client", "nomad-client"] : ["consul-server", "nomad-server"],
            cloudConfig,
            publishedPorts: this.publishedPorts(node),
        });
    }

    /** The first server takes operators' requests, the first client the users'. */
    private publishedPorts({ name }: RoutedNode): PublishedPort[] {
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
            ...(first(true)
                ? [
                      { port: ports.http.from, publishedPort: published.http, audience: "public" as const },
                      operators(dashboardPort, published.dashboard),
                  ]
                : []),
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

function operators(port: number, publishedPort: number): PublishedPort {
    return { port, publishedPort, audience: "operators" };
}
