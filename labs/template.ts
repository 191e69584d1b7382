import * as consul from "@pulumi/consul";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";

import { propagation, type Propagation } from "../components/balancers/propagation";
import { slotsForInstances } from "../components/balancers/slots";
import { TemplateBalancer, type Discovery } from "../components/balancers/template-balancer";
import { BaseImages } from "../components/base-images";
import { ConsulServer } from "../components/clusters/consul-server";
import { ContainerNetwork } from "../components/containers/network";
import { httpReady } from "../components/containers/ready";
import { LocalImages } from "../components/images/local";
import { AddressBook } from "../components/machines/addresses";
import { ports } from "../components/security/ports";
import { behindGuard } from "../settings/discovery";
import { instanceNumber, milliseconds, seconds, type TemplateSettings } from "../settings/template";
import { template as needs } from "../toolchain/labs.json";
import type { JobSummary, Lab, MachineSummary } from "./lab";
import { templateReadme, templateTopology } from "./template-pages";

const statsUser = "admin";
/** Consul's name of what the instances are. */
const service = "web";
/** Places in the network; instances come after them. */
const hosts = { consul: 2, monitor: 3, haproxy: 4, templater: 5, firstInstance: 10 };

export interface TemplateLabArgs {
    config: TemplateSettings;
}

/** Consul, consul-template and HAProxy as containers: only web servers that pass their checks are used. */
export class TemplateLab extends pulumi.ComponentResource implements Lab {
    readonly urls: pulumi.Output<Record<string, string>>;
    readonly jobs = pulumi.output<Record<string, JobSummary>>({});
    readonly machines = pulumi.output<MachineSummary[]>([]);
    readonly environment: pulumi.Output<Record<string, string>>;
    readonly topology: pulumi.Output<string>;
    readonly readme: pulumi.Output<string>;
    readonly propagation: pulumi.Output<Propagation>;

    private readonly config: TemplateSettings;
    private readonly addresses: AddressBook;

    constructor(name: string, args: TemplateLabArgs, opts?: pulumi.ComponentResourceOptions) {
        super("gatehouse:labs:TemplateLab", name, {}, opts);
        const { config } = args;
        this.config = config;
        this.addresses = new AddressBook(config.network.subnet);

        const bases = new BaseImages("base-images", { names: needs.images }, { parent: this });
        const images = new LocalImages(
            "images",
            { applications: ["haproxy", "hello", "monitor", "templater"], basesReady: [bases] },
            { parent: this },
        );
        const network = new ContainerNetwork(
            "network",
            { project: pulumi.getProject(), stack: pulumi.getStack(), subnet: config.network.subnet },
            { parent: this },
        );
        const server = new ConsulServer(
            "consul",
            {
                network,
                address: this.addresses.at(hosts.consul),
                image: bases.reference("consul"),
                datacenter: config.datacenter,
                publishedPort: config.ports.consul,
            },
            { parent: this },
        );
        const services = Object.entries(config.instances).map(([instance, { port }]) =>
            this.instance(instance, port, network, images.reference("hello"), server.provider),
        );
        const consulApi = `http://${this.addresses.at(hosts.consul)}:8500`;
        network.run(
            "monitor",
            {
                image: images.reference("monitor"),
                roles: ["monitor"],
                address: this.addresses.at(hosts.monitor),
                envs: [`CONSUL_HTTP_ADDR=${consulApi}`],
            },
            { parent: this },
        );
        const password = new random.RandomPassword(
            "haproxy-stats-password",
            { length: 24, special: false },
            { parent: this },
        );
        const balancer = new TemplateBalancer(
            "haproxy",
            {
                network,
                addresses: {
                    haproxy: this.addresses.at(hosts.haproxy),
                    templater: this.addresses.at(hosts.templater),
                },
                images: {
                    haproxy: images.reference("haproxy"),
                    templater: images.reference("templater"),
                },
                publishedPorts: { http: config.ports.webapp, stats: config.ports.haproxyStats },
                consul: consulApi,
                discovery: this.discovery(),
                service,
                stats: { user: statsUser, password: password.result },
                guard: {
                    minimumShare: config.guard.minimumShare,
                    holdSeconds: seconds(config.guard.hold),
                    reloadBurst: config.guard.reloadBurst,
                    reloadGapMilliseconds: milliseconds(config.guard.reloadGap),
                },
            },
            { parent: this },
        );
        // Done when an instance has passed its check, was rendered, and HAProxy has reached it.
        const ready = httpReady(
            "webapp",
            {
                url: `http://127.0.0.1:${config.ports.haproxyStats}/ready`,
                triggers: [balancer.haproxy.id, balancer.templater.id],
            },
            { parent: this, dependsOn: services },
        );

        this.urls = pulumi
            .all([ready.id, server.address])
            .apply(([, consulAddress]): Record<string, string> => ({
                webapp: `http://127.0.0.1:${config.ports.webapp}`,
                haproxyStats: `http://127.0.0.1:${config.ports.haproxyStats}`,
                consul: consulAddress,
            }));
        this.environment = pulumi.secret(
            pulumi
                .all([server.address, password.result])
                .apply(([consulAddress, statsPassword]): Record<string, string> => ({
                    CONSUL_HTTP_ADDR: consulAddress,
                    HAPROXY_STATS_USER: statsUser,
                    HAPROXY_STATS_PASSWORD: statsPassword,
                })),
        );
        this.topology = this.urls.apply((urls) => templateTopology(config, urls));
        this.readme = pulumi
            .all([this.urls, this.topology])
            .apply(([urls, topology]) => templateReadme(config, urls, topology));
        this.propagation = pulumi.output(
            propagation({
                discovery: behindGuard(config.discovery, config.guard),
                check: {
                    interval: seconds(config.check.interval),
                    timeout: seconds(config.check.timeout),
                },
            }),
        );
        this.registerOutputs({ urls: this.urls });
    }

    private discovery(): Discovery {
        const { discovery: by, instances } = this.config;
        const slots = slotsForInstances(Object.keys(instances).length);
        const server = `${this.addresses.at(hosts.consul)}:${ports.consulDns.from}`;
        return by === "template" ? { by } : by === "events" ? { by, slots } : { by, slots, server };
    }

    /** A web server, and what Consul knows of it: a node that has no agent, and its service with a check. */
    private instance(
        name: string,
        port: number,
        network: ContainerNetwork,
        image: pulumi.Input<string>,
        provider: consul.Provider,
    ): consul.Service {
        const address = this.addresses.at(hosts.firstInstance + instanceNumber(name));
        const container = network.run(
            name,
            {
                image,
                roles: ["web"],
                address,
                envs: [`NAME=${name}`, `PORT=${port}`],
                destroyGraceSeconds: 5,
            },
            { parent: this },
        );
        const inConsul: pulumi.CustomResourceOptions = {
            parent: this,
            provider,
            // With the whole lab gone there is nothing to deregister.
            deletedWith: network.network,
        };
        const node = new consul.Node(
            `${name}-node`,
            {
                name,
                address,
                // The monitor runs the checks of such nodes, and only these.
                meta: { "external-node": "true", "external-probe": "false" },
            },
            inConsul,
        );
        return new consul.Service(
            name,
            {
                name: service,
                serviceId: name,
                node: node.name,
                address,
                port,
                checks: [
                    {
                        checkId: name,
                        name: `HTTP ${name}`,
                        http: `http://${address}:${port}/health`,
                        method: "GET",
                        tlsSkipVerify: false,
                        interval: this.config.check.interval,
                        timeout: this.config.check.timeout,
                        // However long it is away: it comes back.
                        deregisterCriticalServiceAfter: "0s",
                    },
                ],
            },
            { ...inConsul, dependsOn: [container] },
        );
    }
}
