import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";

import { dockerRole, machineConfig } from "../cloud-init";
import { HaproxyJob } from "../components/balancers/haproxy-job";
import { slotCount } from "../components/balancers/slots";
import { BaseImages } from "../components/base-images";
import { ConsulCluster, consulNode } from "../components/clusters/consul";
import { NomadCluster, nomadNode } from "../components/clusters/nomad";
import { ApplicationImages, pauseImage } from "../components/images";
import { CountDash } from "../components/jobs/countdash";
import { WebApp } from "../components/jobs/webapp";
import type { Machine, PublishedPort, Substrate } from "../components/machines/machine";
import { createSubstrate } from "../components/machines/substrate";
import { ports } from "../components/security/ports";
import type { NomadSettings } from "../settings/nomad";
import { imageReference } from "../toolchain/images";
import { nomad as needs } from "../toolchain/labs.json";
import type { JobSummary, Lab, MachineSummary } from "./lab";
import { type PlannedNode, planNodes, rolesOf } from "./node-plan";
import { nomadReadme, nomadTopology } from "./nomad-pages";
import { endpointUrl, summariseJobs, summariseMachine } from "./outputs";

const statsUser = "admin";
const dashboardPort = 9002;

export interface NomadLabArgs {
    config: NomadSettings;
}

/**
 * Consul and Nomad on one machine or several; HAProxy as a Nomad job that finds `demo-webapp` by DNS SRV; the
 * countdash service mesh through Envoy sidecars.
 */
export class NomadLab extends pulumi.ComponentResource implements Lab {
    readonly urls: pulumi.Output<Record<string, string>>;
    readonly jobs: pulumi.Output<Record<string, JobSummary>>;
    readonly machines: pulumi.Output<MachineSummary[]>;
    readonly environment: pulumi.Output<Record<string, string>>;
    readonly topology: pulumi.Output<string>;
    readonly readme: pulumi.Output<string>;

    private readonly config: NomadSettings;
    private readonly nodes: PlannedNode[];

    constructor(name: string, args: NomadLabArgs, opts?: pulumi.ComponentResourceOptions) {
        super("gatehouse:labs:NomadLab", name, {}, opts);
        this.config = args.config;
        this.nodes = planNodes(args.config.servers.count, args.config.clients.count);

        const bases = new BaseImages("base-images", { names: needs.images }, { parent: this });
        const substrate = this.substrate(bases);
        const images = this.images(substrate, bases);
        const machines = this.nodes.map((node) => this.machine(substrate, node));
        const servers = machines.filter((_, index) => this.nodes[index]?.server);
        const clients = machines.filter((_, index) => this.nodes[index]?.client);

        const { datacenter } = args.config;
        const consul = new ConsulCluster(
            "consul",
            { datacenter, servers, clients: machines.filter((machine) => !servers.includes(machine)) },
            { parent: this },
        );
        const nomad = new NomadCluster("nomad", { servers, clients }, { parent: this });
        const password = new random.RandomPassword(
            "haproxy-stats-password",
            { length: 24, special: false },
            { parent: this },
        );

        const onCluster: pulumi.ComponentResourceOptions = {
            parent: this,
            providers: [consul.provider, nomad.provider],
            // With the whole lab gone there is nothing to stop job by job.
            deletedWith: substrate.foundation,
            // A lone server's replacement starts with an empty store. Several hand theirs on.
            replaceWith: servers.length === 1 ? servers.map((server) => server.resource) : undefined,
            dependsOn: images.ready,
        };
        // Its ports are the published ones, so what listens on them must run there.
        const entry = entryPoint(clients);
        const webapp = this.webapp(images, onCluster);
        const haproxy = this.haproxy(images, entry, password.result, onCluster);
        const countdash = this.countdash(images, entry, onCluster);

        this.urls = pulumi
            .all([
                endpointUrl(entry, ports.http.from, webapp.job.status, haproxy.job.status),
                endpointUrl(entry, ports.haproxyStats.from, haproxy.job.status),
                consul.address,
                nomad.address,
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
        this.machines = pulumi.all(machines.map(summariseMachine));
        this.environment = pulumi.secret(
            pulumi
                .all([consul.address, nomad.address, password.result])
                .apply(([consulAddress, nomadAddress, statsPassword]): Record<string, string> => ({
                    CONSUL_HTTP_ADDR: consulAddress,
                    NOMAD_ADDR: nomadAddress,
                    HAPROXY_STATS_USER: statsUser,
                    HAPROXY_STATS_PASSWORD: statsPassword,
                })),
        );
        this.topology = this.urls.apply((urls) => nomadTopology(this.nodes, args.config.webapp.count, urls));
        this.readme = pulumi
            .all([this.urls, this.topology])
            .apply(([urls, topology]) => nomadReadme(urls, topology));
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
                machineImage: bases.reference("machine-nomad"),
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
            },
            { parent: this },
        );
    }

    private machine(substrate: Substrate, node: PlannedNode): Machine {
        const { datacenter } = this.config;
        const members = this.nodes.map(({ name }) =>
            substrate.addressOf(name).apply((address) => ({ name, address })),
        );
        const cloudConfig = pulumi
            .all([pulumi.all(members), substrate.registry.pullAddress])
            .apply(([addresses, registry]) => {
                const self = addresses.find(({ name }) => name === node.name)!;
                const servers = addresses.filter(
                    ({ name }) => this.nodes.find((planned) => planned.name === name)?.server,
                );
                const client = {
                    sidecarImage: `${registry}/envoy:lab`,
                    infraImage: pauseImage(registry, imageReference("pause")),
                };
                return machineConfig(
                    dockerRole({ insecureRegistries: [registry] }),
                    consulNode({ datacenter, node: self, servers }),
                    nomadNode({ datacenter, node: self, servers, ...(node.client ? { client } : {}) }),
                );
            });
        return substrate.addMachine(node.name, {
            roles: rolesOf(node),
            cloudConfig,
            publishedPorts: this.publishedPorts(node),
        });
    }

    /** The first server takes operators' requests, the first client the users'. */
    private publishedPorts(node: PlannedNode): PublishedPort[] {
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
            ...(firstClient
                ? [
                      { port: ports.http.from, publishedPort: published.webapp, audience: "public" as const },
                      operators(ports.haproxyStats.from, published.haproxyStats),
                      operators(dashboardPort, published.dashboard),
                  ]
                : []),
        ];
    }

    private webapp(images: ApplicationImages, opts: pulumi.ComponentResourceOptions): WebApp {
        const { count, message, image } = this.config.webapp;
        const datacenters = [this.config.datacenter];
        return new WebApp(
            "demo-webapp",
            { datacenters, count, message, image: image ?? images.reference("hello") },
            opts,
        );
    }

    private haproxy(
        images: ApplicationImages,
        entry: Machine,
        password: pulumi.Output<string>,
        opts: pulumi.ComponentResourceOptions,
    ): HaproxyJob {
        return new HaproxyJob(
            "haproxy",
            {
                datacenters: [this.config.datacenter],
                image: images.reference("haproxy"),
                node: entry.name,
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

/** The machine whose ports the users' addresses lead to. */
function entryPoint(clients: Machine[]): Machine {
    const [first] = clients;
    if (first === undefined) {
        throw new Error("The lab has no machine that runs jobs.");
    }
    return first;
}
