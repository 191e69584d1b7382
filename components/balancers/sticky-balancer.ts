import * as command from "@pulumi/command";
import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";

import type { ContainerNetwork } from "../containers/network";

/** The balancer's own ports. */
const ports = { http: 80, https: 443, stats: 1936 };

/**
 * What the balancer may do as root: the master binds ports and starts workers as another user in a chroot, which it
 * ends in time. certbot and the files on the volume need nothing: they are root's own.
 */
export const capabilities = ["KILL", "NET_BIND_SERVICE", "SETGID", "SETUID", "SYS_CHROOT"] as const;

export interface StickyBalancerArgs {
    network: ContainerNetwork;
    /** The image `balancer`. A change replaces the container, which interrupts service for a moment. */
    image: pulumi.Input<string>;
    /** Ports on 127.0.0.1; `https` only where HTTPS is on. A change replaces the container. */
    publishedPorts: { http: number; https?: number; stats: number };
    /** The web servers by name, as `host:port`. The name is the cookie's value. A change is a reload. */
    backends: Record<string, string>;
    /** For the statistics page and the metrics. A change is a reload. */
    stats: { user: string; password: pulumi.Input<string> };
    /** HTTPS, with a redirect from HTTP. A change is a reload. */
    https?: {
        domainName: string;
        emailAddress?: string;
        /** Seconds for which browsers insist on HTTPS; 0 turns it off. */
        hstsMaxAge: number;
        certificate: StickyCertificate;
    };
}

/** Where the certificate comes from: `provided`, or a CA that speaks ACME (Let's Encrypt by default). */
export interface StickyCertificate {
    /** Chain and key as PEM; kept secret. */
    provided?: string;
    /** The CA's directory. */
    directory?: string;
    /** Let's Encrypt's staging directory. */
    staging: boolean;
    /** PEM: what the directory's own TLS certificate is verified with. */
    caCertificate?: string;
    /** The key is kept secret. */
    externalAccount?: { keyId: string; hmacKey: string };
}

/**
 * HAProxy with sticky sessions in a container of its own. Its settings are handed to it while it runs, so that
 * changing them replaces nothing: a reload loses no request, and sessions on other backends go on.
 */
export class StickyBalancer extends pulumi.ComponentResource {
    readonly container: docker.Container;
    /** Known when the balancer has taken its settings into use. */
    readonly ready: pulumi.Output<string>;

    private readonly command: string;

    constructor(name: string, args: StickyBalancerArgs, opts?: pulumi.ComponentResourceOptions) {
        super("gatehouse:balancers:StickyBalancer", name, {}, opts);
        const { network, publishedPorts } = args;

        // Certificates, the CA's account and the settings outlive the container.
        const state = network.volume(`${name}-state`, { parent: this });
        this.container = network.run(
            name,
            {
                image: args.image,
                roles: ["balancer"],
                command: ["serve", "--managed"],
                volumes: [{ volumeName: state.name, containerPath: "/var/lib/balancer" }],
                publishedPorts: {
                    [ports.http]: publishedPorts.http,
                    ...(publishedPorts.https === undefined ? {} : { [ports.https]: publishedPorts.https }),
                    [ports.stats]: publishedPorts.stats,
                },
                capabilities: { drops: ["ALL"], adds: [...capabilities] },
                // HAProxy finishes what runs for eight seconds (STOP_SECONDS).
                destroyGraceSeconds: 10,
            },
            { parent: this },
        );

        this.command = `docker exec --interactive ${network.objectName(name)} /usr/bin/node /app/main.js`;
        const apply = `${this.command} apply`;
        const settings = new command.local.Command(
            `${name}-settings`,
            {
                create: apply,
                update: apply,
                stdin: balancerVariables(args),
                // A new container has the settings in its volume, but they may be older than these.
                triggers: [this.container.id],
                // Its error carries the output already.
                logging: command.local.Logging.None,
                addPreviousOutputInEnv: false,
            },
            { parent: this },
        );
        this.ready = settings.id;
        this.registerOutputs();
    }

    /**
     * Done when requests go to this container, in which a backend runs: anew for every new container. For a backend
     * that the balancer has not been told of yet there is nothing to wait for. It fails after half a minute.
     */
    serving(backend: string, container: docker.Container): command.local.Command {
        return new command.local.Command(
            `${backend}-serving`,
            {
                create: `${this.command} await ${backend}`,
                triggers: [container.id],
                // Its error carries the output already.
                logging: command.local.Logging.None,
                addPreviousOutputInEnv: false,
            },
            // The settings are no condition: they name backends that are still to come.
            { parent: this, dependsOn: [this.container] },
        );
    }
}

/** The settings as the image's environment names them (docs/sticky.md). Secret. */
function balancerVariables(args: StickyBalancerArgs): pulumi.Output<string> {
    const { https } = args;
    const backends = Object.entries(args.backends).flatMap(([name, url], index) => [
        [`BACKEND${index + 1}_NAME`, name],
        [`BACKEND${index + 1}_URL`, url],
    ]);
    return pulumi.secret(
        pulumi.output(args.stats.password).apply((password) =>
            JSON.stringify({
                ...Object.fromEntries(backends),
                HEALTH_PATH: "/health",
                STATS_USER: args.stats.user,
                STATS_PASSWORD: password,
                ...(https === undefined
                    ? {}
                    : {
                          ENABLE_HTTPS: "true",
                          DOMAIN_NAME: https.domainName,
                          EMAIL_ADDRESS: https.emailAddress,
                          HTTPS_PUBLIC_PORT: args.publishedPorts.https,
                          HSTS_MAX_AGE: https.hstsMaxAge,
                          ...certificateVariables(https.certificate),
                      }),
            }),
        ),
    );
}

function certificateVariables(certificate: StickyCertificate): Record<string, unknown> {
    if (certificate.provided !== undefined) {
        return { CERTIFICATE: certificate.provided };
    }
    return {
        ACME_DIRECTORY: certificate.directory,
        ACME_STAGING: certificate.staging,
        ACME_CA: certificate.caCertificate,
        ACME_EAB_KID: certificate.externalAccount?.keyId,
        ACME_EAB_HMAC_KEY: certificate.externalAccount?.hmacKey,
    };
}
