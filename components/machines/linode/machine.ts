import * as linode from "@pulumi/linode";
import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";

import { type CloudConfig, mergeCloudConfig, renderUserData } from "../../../cloud-init";
import type { BootReport, Connection, Endpoint, Machine, MachineArgs } from "../machine";
import { bootReadiness } from "../readiness";
import { firewallRules, type FirewallRulesArgs } from "./firewall";
import type { LinodeNames } from "./labels";

export interface LinodeMachineArgs extends MachineArgs {
    names: LinodeNames;
    /** A change replaces the machine, here and of {@link image}, {@link privateIp} and {@link type}. */
    region: string;
    /** The plan's id. */
    type: string;
    image: string;
    /** Whether Linode backs the machine up. */
    backups: boolean;
    /** The subnet's id. */
    subnet: pulumi.Input<number>;
    /** The machine's address in the subnet. */
    address: string;
    /** Whether it has an address of 192.168.128.0/17, which NodeBalancers reach it by. */
    privateIp: boolean;
    firewall: Omit<FirewallRulesArgs, "published">;
    /** The placement group's id. Default: none. */
    placementGroup?: pulumi.Input<number>;
    operatorKey: tls.PrivateKey;
}

/**
 * How long a machine may take from the first SSH handshake to running all its units, in seconds: a stock image installs
 * packages. What fails is reported at once.
 */
const bootTimeout = 600;

/** One machine: an instance behind a firewall of its own, its host key and its readiness. */
export class LinodeMachine extends pulumi.ComponentResource implements Machine {
    readonly roles: string[];
    readonly privateAddress: pulumi.Output<string>;
    readonly publicAddress: pulumi.Output<string>;
    readonly publicInterface = true;
    readonly connection: pulumi.Output<Connection>;
    readonly instanceId: pulumi.Output<string>;
    readonly ready: pulumi.Output<BootReport>;
    readonly resource: pulumi.Resource;
    /** What the machine's readiness is known by: for `dependsOn`. */
    readonly booted: pulumi.Resource;
    /** Its address of 192.168.128.0/17, for NodeBalancers; empty without {@link LinodeMachineArgs.privateIp}. */
    readonly balancedAddress: pulumi.Output<string>;

    private readonly published: number[];

    constructor(
        readonly name: string,
        args: LinodeMachineArgs,
        opts?: pulumi.ComponentResourceOptions,
    ) {
        super("gatehouse:machines:LinodeMachine", name, {}, opts);
        this.roles = args.roles;
        this.published = args.publishedPorts.map(({ port }) => port);

        const hostKey = new tls.PrivateKey(`${name}-host-key`, { algorithm: "ED25519" }, { parent: this });
        const instance = this.boot(args, hostKey);

        this.privateAddress = pulumi.output(args.address);
        this.publicAddress = instance.ipAddress;
        this.balancedAddress = instance.privateIpAddress;
        this.instanceId = instance.id;
        this.resource = instance;
        this.connection = pulumi
            .all([instance.ipAddress, args.operatorKey.privateKeyOpenssh, hostKey.publicKeyOpenssh])
            .apply(([host, privateKey, publicKey]) =>
                pulumi.secret({ host, port: 22, user: "root", privateKey, hostKey: publicKey.trim() }),
            );
        const { report, command } = bootReadiness(
            {
                machineName: name,
                connection: this.connection,
                instanceId: this.instanceId,
                console: `Lish, in Linode's Cloud Manager, of the Linode ${args.names.of("instance", name)}`,
                bootTimeout,
            },
            { parent: this, dependsOn: [instance] },
        );
        this.ready = report;
        this.booted = command;
        this.registerOutputs();
    }

    endpoint(port: number): pulumi.Output<Endpoint> {
        if (!this.published.includes(port)) {
            throw new Error(
                `Port ${port} of machine ${this.name} is not published; add it to the machine's publishedPorts ` +
                    `(${this.published.join(", ") || "none so far"}).`,
            );
        }
        return this.publicAddress.apply((host) => ({ host, port }));
    }

    private boot(args: LinodeMachineArgs, hostKey: tls.PrivateKey): linode.Instance {
        const { names, subnet, placementGroup } = args;
        // Made before the instance and named when that is made, so that it is never without.
        const firewall = new linode.Firewall(
            `${this.name}-firewall`,
            {
                label: names.of("firewall", this.name),
                inboundPolicy: "DROP",
                inbounds: firewallRules({ ...args.firewall, published: args.publishedPorts }),
                outboundPolicy: "ACCEPT",
                tags: names.tags,
            },
            { parent: this, deleteBeforeReplace: true },
        );
        return new linode.Instance(
            this.name,
            {
                label: names.of("instance", this.name),
                tags: names.tags,
                region: args.region,
                type: args.type,
                image: args.image,
                // Without rootPass it gets a random one that is kept nowhere; the document allows no log-in with it.
                authorizedKeys: [args.operatorKey.publicKeyOpenssh.apply((key) => key.trim())],
                metadatas: [{ userData: renderMetadata(this.name, args, hostKey) }],
                interfaces: [
                    { purpose: "public", primary: true },
                    { purpose: "vpc", subnetId: subnet, ipv4: { vpc: args.address } },
                ],
                ...(args.privateIp && { privateIp: true }),
                firewallId: idOf(firewall),
                ...(placementGroup !== undefined && {
                    placementGroup: { id: placementGroup, compliantOnly: false },
                }),
                backupsEnabled: args.backups,
            },
            {
                parent: this,
                // Its label and its address in the VPC are taken while it exists.
                deleteBeforeReplace: true,
                // Without it, all machines at once would be resized, moved or rebooted. Replaced, they take turns.
                replaceOnChanges: ["region", "type", "interfaces", "privateIp"],
                // The SDK does not say that user data is secret: it holds the host key.
                additionalSecretOutputs: ["metadatas"],
            },
        );
    }
}

/** The number in a resource's id, which other resources want as a number. */
export function idOf(resource: pulumi.CustomResource): pulumi.Output<number> {
    return resource.id.apply(Number);
}

/** The machine's document with what only the substrate knows, as the metadata service takes it. Secret. */
function renderMetadata(
    name: string,
    args: LinodeMachineArgs,
    hostKey: tls.PrivateKey,
): pulumi.Output<string> {
    return pulumi
        .all([args.cloudConfig, hostKey.privateKeyOpenssh, hostKey.publicKeyOpenssh])
        .apply(([cloudConfig, privateKey, publicKey]) => {
            const own: CloudConfig = {
                hostname: name,
                ssh_keys: { ed25519_private: privateKey, ed25519_public: publicKey.trim() },
            };
            const document = renderUserData(mergeCloudConfig(cloudConfig as CloudConfig, own));
            return pulumi.secret(Buffer.from(document).toString("base64"));
        });
}
