import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";

import { StickyBalancer } from "../components/balancers/sticky-balancer";
import { BaseImages } from "../components/base-images";
import { ContainerNetwork } from "../components/containers/network";
import { LocalImages, type PushTarget } from "../components/images/local";
import type { StickySettings } from "../settings/sticky";
import { sticky as needs } from "../toolchain/labs.json";
import type { JobSummary, Lab, MachineSummary } from "./lab";
import { stickyReadme, stickyTopology } from "./sticky-pages";

const statsUser = "admin";
const backendPort = 8080;

export interface StickyLabArgs {
    config: StickySettings;
}

/** Web servers behind an HAProxy image that keeps sessions by a cookie and gets its certificate by ACME. */
export class StickyLab extends pulumi.ComponentResource implements Lab {
    readonly urls: pulumi.Output<Record<string, string>>;
    readonly jobs = pulumi.output<Record<string, JobSummary>>({});
    readonly machines = pulumi.output<MachineSummary[]>([]);
    readonly environment: pulumi.Output<Record<string, string>>;
    readonly topology: pulumi.Output<string>;
    readonly readme: pulumi.Output<string>;

    constructor(name: string, args: StickyLabArgs, opts?: pulumi.ComponentResourceOptions) {
        super("gatehouse:labs:StickyLab", name, {}, opts);
        const { config } = args;

        const bases = new BaseImages("base-images", { names: needs.images }, { parent: this });
        const images = new LocalImages(
            "images",
            { applications: ["balancer", "hello"], basesReady: [bases], push: pushTarget(config) },
            { parent: this },
        );
        const network = new ContainerNetwork(
            "network",
            { project: pulumi.getProject(), stack: pulumi.getStack(), subnet: config.network.subnet },
            { parent: this },
        );
        const password = new random.RandomPassword(
            "haproxy-stats-password",
            { length: 24, special: false },
            { parent: this },
        );
        const balancer = this.balancer(config, network, images.reference("balancer"), password.result);
        this.backends(config, network, images.reference("hello"), balancer);

        this.urls = balancer.ready.apply(() => addresses(config));
        this.environment = pulumi.secret(
            password.result.apply((statsPassword): Record<string, string> => ({
                HAPROXY_STATS_USER: statsUser,
                HAPROXY_STATS_PASSWORD: statsPassword,
            })),
        );
        this.topology = this.urls.apply((urls) => stickyTopology(Object.keys(config.backends), urls));
        this.readme = pulumi
            .all([this.urls, this.topology])
            .apply(([urls, topology]) => stickyReadme(urls, topology));
        this.registerOutputs({ urls: this.urls });
    }

    /**
     * The web servers that run here. A change of their image replaces one after the other, each when the one before
     * gets requests again: no request fails, and with an image that does not serve it ends at the first.
     */
    private backends(
        config: StickySettings,
        network: ContainerNetwork,
        image: pulumi.Input<string>,
        balancer: StickyBalancer,
    ): void {
        let before: pulumi.Resource[] = [];
        for (const [name, { url }] of Object.entries(config.backends)) {
            if (url === undefined) {
                const container = network.run(
                    name,
                    {
                        image,
                        roles: ["backend"],
                        envs: [`NAME=Backend: ${name}`, `PORT=${backendPort}`],
                        destroyGraceSeconds: 5,
                    },
                    { parent: this, dependsOn: before },
                );
                before = [balancer.serving(name, container)];
            }
        }
    }

    private balancer(
        config: StickySettings,
        network: ContainerNetwork,
        image: pulumi.Input<string>,
        password: pulumi.Input<string>,
    ): StickyBalancer {
        const { https, certificate, ports } = config;
        return new StickyBalancer(
            "balancer",
            {
                network,
                image,
                publishedPorts: {
                    http: ports.webapp,
                    https: https.enabled ? ports.webappTls : undefined,
                    stats: ports.haproxyStats,
                },
                backends: Object.fromEntries(
                    Object.entries(config.backends).map(([name, { url }]) => [
                        name,
                        url ?? `${name}:${backendPort}`,
                    ]),
                ),
                stats: { user: statsUser, password },
                https:
                    https.enabled && https.domainName !== undefined
                        ? { ...https, domainName: https.domainName, certificate }
                        : undefined,
            },
            { parent: this },
        );
    }
}

function addresses({ https, ports }: StickySettings): Record<string, string> {
    return {
        webapp: `http://127.0.0.1:${ports.webapp}`,
        // By the certificate's name: on the address it would not be valid.
        ...(https.enabled ? { webappTls: `https://${https.domainName}:${ports.webappTls}` } : {}),
        haproxyStats: `http://127.0.0.1:${ports.haproxyStats}`,
    };
}

function pushTarget({ registry }: StickySettings): PushTarget | undefined {
    return registry.server === undefined ? undefined : { ...registry, server: registry.server };
}
