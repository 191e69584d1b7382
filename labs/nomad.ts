import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";

import { consulHost, dockerRole, machineConfig, nomadHost } from "../cloud-init";
import { HaproxyJob } from "../components/balancers/haproxy-job";
import { propagation, type Propagation } from "../components/balancers/propagation";
import { slotCount } from "../components/balancers/slots";
import { BaseImages } from "../components/base-images";
import { OpenCluster } from "../components/clusters/open-cluster";
import { ApplicationImages, pauseImage } from "../components/images";
import { CountDash } from "../components/jobs/countdash";
import { WebApp } from "../components/jobs/webapp";
import type { Ingress, Machine, PublishedPort, Substrate } from "../components/machines/machine";
import { ports } from "../components/security/ports";
import { holdSeconds } from "../settings/discovery";
import { nomadDiscovery, type NomadSettings } from "../settings/nomad";
import { imageReference } from "../toolchain/images";
import { nomad as needs } from "../toolchain/labs.json";
import { jobBases } from "./images";
import type { JobSummary, Lab, MachineSummary } from "./lab";
import { type PlannedNode, planNodes, rolesOf } from "./node-plan";
import { nomadReadme, nomadTopology } from "./nomad-pages";
import { endpointUrl, summariseJobs, summariseMachine } from "./outputs";
import { basesOn, labSubstrate } from "./substrate";

const statsUser = "admin";
const dashboardPort = 9002;

export interface NomadLabArgs {
    config: NomadSettings;
}

/**
 * Consul and Nomad on one machine or several; HAProxy as a Nomad job that follows `demo-webapp` in Consul; the
 * countdash service mesh through Envoy sidecars.
 */
export class NomadLab extends pulumi.ComponentResource implements Lab {
    readonly urls: pulumi.Output<Record<string, string>>;
    readonly jobs: pulumi.Output<Record<string, JobSummary>>;
    readonly machines: pulumi.Output<MachineSummary[]>;
    readonly environment: pulumi.Output<Record<string, string>>;
    readonly topology: pulumi.Output<string>;
    readonly readme: pulumi.Output<string>;
    readonly propagation: pulumi.Output<Propagation>;

    private readonly config: NomadSettings;
    private readonly nodes: PlannedNode[];

    constructor(name: string, args: NomadLabArgs, opts?: pulumi.ComponentResourceOptions) {
        super("gatehouse:labs:NomadLab", name, {}, opts);
        this.config = args.config;
        this.nodes = planNodes(args.config.servers.count, args.config.clients.count);

        const names = basesOn(args.config.substrate, needs);
        const bases = new BaseImages("base-images", { names }, { parent: this });
        const substrate = labSubstrate(
            { config: args.config, bases, machineImage: "machine-nomad" },
            { parent: this },
        );
        const images = new ApplicationImages(
            "images",
            {
                registry: substrate.registry,
                bases: jobBases(),
                basesReady: [bases],
            },
            { parent: this },
        );
        const members = this.nodes.map((node) => ({ ...node, machine: this.machine(substrate, node) }));
        const machines = (which: (node: PlannedNode) => boolean) =>
            members.filter(which).map(({ machine }) => machine);
        const cluster = new OpenCluster(
            "cluster",
            {
                datacenter: args.config.datacenter,
                members,
                tasks: substrate.registry.pullAddress.apply((registry) => ({
                    sidecarImage: `${registry}/envoy:lab`,
                    infraImage: pauseImage(registry, imageReference("pause")),
                })),
                logLevel: args.config.logLevel,
            },
            { parent: this, deletedWith: substrate.foundation },
        );
        const password = new random.RandomPassword(
            "haproxy-stats-password",
            { length: 24, special: false },
            { parent: this },
        );

        const servers = machines(({ server }) => server);
        const onCluster: pulumi.ComponentResourceOptions = {
            parent: this,
            providers: [cluster.providers.consul, cluster.providers.nomad],
            // With the whole lab gone there is nothing to stop job by job.
            deletedWith: substrate.foundation,
            // A lone server's replacement starts with an empty store. Several hand theirs on.
            replaceWith: servers.length === 1 ? servers.map(({ resource }) => resource) : undefined,
            dependsOn: images.ready,
        };
        const ingress = substrate.ingress("ingress", {
            machines: machines(({ client }) => client),
            ports: [ports.http.from],
        });
        // Its ports are the published ones, so what listens on them must run there.
        const entry = ingress.machines[0]!;
        const webapp = this.webapp(images, onCluster);
        const haproxy = this.haproxy(images, ingress, password.result, onCluster);
        const countdash = this.countdash(images, entry, onCluster);

        this.urls = pulumi
            .all([
                endpointUrl(ingress, ports.http.from, webapp.job.status, haproxy.job.status),
                endpointUrl(entry, ports.haproxyStats.from, haproxy.job.status),
                cluster.consulAddress,
                cluster.nomadAddress,
                endpointUrl(entry, dashboardPort, countdash.job.status),
            ])
            .apply(([web, haproxyStats, consulUi, nomadUi, dashboard]): Record<string, string> => ({
                webapp: web,
                haproxyStats,
                consul: consulUi,
                nomad: nomadUi,
                dashboard,
            }));
        this.jobs = summariseJobs(this.urls, [
            { job: webapp.job, url: "webapp" },
            { job: haproxy.job, url: "haproxyStats" },
            { job: countdash.job, url: "dashboard" },
        ]);
        this.machines = pulumi.all(members.map(({ machine }) => summariseMachine(machine)));
        this.environment = pulumi.secret(
            pulumi
                .all([cluster.consulAddress, cluster.nomadAddress, password.result])
                .apply(([consulAddress, nomadAddress, statsPassword]): Record<string, string> => ({
                    CONSUL_HTTP_ADDR: consulAddress,
                    NOMAD_ADDR: nomadAddress,
                    HAPROXY_STATS_USER: statsUser,
                    HAPROXY_STATS_PASSWORD: statsPassword,
                })),
        );
        this.topology = this.urls.apply((urls) => nomadTopology(this.nodes, args.config.webapp.count, urls));
        const noticed = propagation({ discovery: nomadDiscovery(args.config) });
        this.propagation = pulumi.output(noticed);
        this.readme = pulumi
            .all([this.urls, this.topology])
            .apply(([urls, topology]) => nomadReadme(urls, topology, noticed));
        this.registerOutputs({ urls: this.urls });
    }

    /** A machine that Consul and Nomad can run on. What they are told comes over SSH. */
    private machine(substrate: Substrate, node: PlannedNode): Machine {
        const { datacenter } = this.config;
        const cloudConfig = substrate.registry.pullAddress.apply((registry) =>
            machineConfig(
                consulHost(),
                nomadHost({ client: node.client }),
                ...(node.client ? [dockerRole({ insecureRegistries: [registry] })] : []),
                // Consul's data belong to one datacenter: another one is for another machine.
                { write_files: [{ path: "/etc/gatehouse/datacenter", content: `${datacenter}\n` }] },
            ),
        );
        return substrate.addMachine(node.name, {
            roles: rolesOf(node),
            cloudConfig,
            publishedPorts: this.publishedPorts(node, substrate.balances),
            ...(node.server && { apart: "servers" }),
        });
    }

    /** The first server takes operators' requests; the first client the users', or all clients what is balanced. */
    private publishedPorts(node: PlannedNode, balanced: boolean): PublishedPort[] {
        const published = this.config.ports;
        const firstServer = this.nodes.find(({ server }) => server)?.name === node.name;
        const firstClient = this.nodes.find(({ client }) => client)?.name === node.name;
        return [
            ...(firstServer
                ? [
                      operators(ports.consulHttp.from, published.consul),
                      operators(ports.nomadHttp.from, published.nomad),
                  ]
                : []),
            ...(firstClient || (balanced && node.client)
                ? [{ port: ports.http.from, publishedPort: published.webapp, audience: "public" as const }]
                : []),
            ...(firstClient
                ? [
                      operators(ports.haproxyStats.from, published.haproxyStats),
                      operators(dashboardPort, published.dashboard),
                  ]
                : []),
        ];
    }

    private webapp(images: ApplicationImages, opts: pulumi.ComponentResourceOptions): WebApp {
        const { image, ...settings } = this.config.webapp;
        const datacenters = [this.config.datacenter];
        return new WebApp(
            "demo-webapp",
            { datacenters, ...settings, image: image ?? images.reference("hello") },
            opts,
        );
    }

    private haproxy(
        images: ApplicationImages,
        { machines, proxySources }: Ingress,
        password: pulumi.Output<string>,
        opts: pulumi.ComponentResourceOptions,
    ): HaproxyJob {
        return new HaproxyJob(
            "haproxy",
            {
                datacenters: [this.config.datacenter],
                image: images.reference("haproxy"),
                nodes: machines.map((machine) => machine.name),
                proxySources,
                discovery: this.config.discovery,
                hold: holdSeconds(this.config.haproxy.hold),
                slots: this.config.haproxy.slots ?? slotCount(this.config.webapp.count),
                stats: { user: statsUser, password },
            },
            opts,
        );
    }

    private countdash(
        images: ApplicationImages,
        entry: Machine,
        opts: pulumi.ComponentResourceOptions,
    ): CountDash {
        return new CountDash(
            "countdash",
            {
                datacenters: [this.config.datacenter],
                apiImage: images.reference("counter-api"),
                dashboardImage: images.reference("counter-dashboard"),
                sidecarImage: images.reference("envoy"),
                node: entry.name,
                dashboardPort,
                intention: this.config.countdash.intention,
            },
            opts,
        );
    }
}

function operators(port: number, publishedPort: number): PublishedPort {
    return { port, publishedPort, audience: "operators" };
}
