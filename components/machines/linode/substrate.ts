import * as linode from "@pulumi/linode";
import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";

import { machineConfig, registryHost } from "../../../cloud-init";
import { ports, type PortName, rulesFor } from "../../security/ports";
import { AddressBook, registryOffset } from "../addresses";
import { firstOf } from "../ingress";
import type {
    Connection,
    Ingress,
    IngressArgs,
    Machine,
    MachineArgs,
    PublishedPort,
    Registry,
    Substrate,
} from "../machine";
import { LinodeRecords } from "./dns";
import { LinodeNames } from "./labels";
import { idOf, LinodeMachine } from "./machine";
import { LinodeIngress } from "./node-balancer";
import { RegistryTunnel } from "./registry-tunnel";

export interface LinodeSubstrateArgs {
    /** The first part of every label, and a tag. */
    project: string;
    /** The second part of every label; with the project a tag. */
    stack: string;
    /** The lab's network in CIDR notation, /24 or larger, not of 192.168.128.0/17. A change replaces everything. */
    subnet: string;
    /** A change replaces everything. */
    region: string;
    /** The machines' plan, and what they boot. A change replaces them. */
    type: string;
    image: string;
    /** Networks in CIDR notation that SSH and the operators' endpoints are open to. */
    operators: readonly string[];
    backups: boolean;
    /** Whether ingresses are NodeBalancers, before all of their machines. */
    nodeBalancer: boolean;
    /** Whether machines that are to be apart are in a placement group. */
    placementGroups: boolean;
    /** A domain of the account for the lab's names. Default: none. */
    domain?: string;
    /** Port on 127.0.0.1 that images are pushed to while the program runs. */
    registryPort: number;
}

/** What the registry runs on: the smallest plan there is. */
export const registryType = "g6-nanode-1";

const registryName = "registry";

/** What machines open to each other. The registry's machine opens its own port instead. */
const peerPorts = (Object.keys(ports) as PortName[]).filter((name) => name !== "registry");

/** Machines as instances at Linode, in a VPC of their own, each behind a firewall of its own. */
export class LinodeSubstrate extends pulumi.ComponentResource implements Substrate {
    readonly kind = "linode";
    readonly balances: boolean;
    readonly registry: Registry;
    readonly foundation: pulumi.Resource;

    private readonly names: LinodeNames;
    private readonly addresses: AddressBook;
    private readonly subnet: linode.VpcSubnet;
    private readonly operatorKey: tls.PrivateKey;
    private readonly records?: LinodeRecords;
    private readonly groups = new Map<string, linode.PlacementGroup>();

    constructor(
        private readonly label: string,
        private readonly args: LinodeSubstrateArgs,
        opts?: pulumi.ComponentResourceOptions,
    ) {
        super("gatehouse:machines:LinodeSubstrate", label, {}, opts);
        this.balances = args.nodeBalancer;
        this.names = new LinodeNames(args.project, args.stack);
        this.addresses = new AddressBook(args.subnet);
        this.operatorKey = new tls.PrivateKey(
            `${label}-operator`,
            { algorithm: "ED25519" },
            { parent: this },
        );
        this.subnet = this.network();
        this.foundation = this.subnet;
        if (args.domain !== undefined) {
            this.records = new LinodeRecords(
                `${label}-names`,
                { domain: args.domain, stack: args.stack },
                { parent: this },
            );
        }
        this.registry = this.runRegistry();
        this.registerOutputs();
    }

    addressOf(machineName: string): pulumi.Output<string> {
        return pulumi.output(this.addresses.addressOf(machineName));
    }

    addMachine(machineName: string, args: MachineArgs): Machine {
        const { apart, publishedPorts } = args;
        const group = apart !== undefined && this.args.placementGroups ? this.group(apart) : undefined;
        const machine = this.make(machineName, {
            ...args,
            type: this.args.type,
            address: this.addresses.addressOf(machineName),
            peers: peerPorts,
            // What balancers call is for the public; machines without are none of their nodes.
            privateIp: this.balances && publishedPorts.some(({ audience }) => audience === "public"),
            ...(group && { placementGroup: idOf(group) }),
        });
        this.records?.add(machine.publicAddress, machineName);
        return machine;
    }

    ingress(name: string, { machines, ports: open }: IngressArgs): Ingress {
        if (!this.balances) {
            const ingress = firstOf(machines);
            return this.named(ingress, ingress.machines[0]!.publicAddress);
        }
        const ingress = new LinodeIngress(
            name,
            {
                names: this.names,
                region: this.args.region,
                machines: machines.map(own),
                ports: open,
            },
            { parent: this },
        );
        return this.named(ingress, ingress.address);
    }

    /** The same ingress, called by the lab's name where it has one. */
    private named(ingress: Ingress, address: pulumi.Output<string>): Ingress {
        const host = this.records?.add(address);
        if (host === undefined) {
            return ingress;
        }
        return {
            machines: ingress.machines,
            proxySources: ingress.proxySources,
            endpoint: (port) =>
                pulumi.all([ingress.endpoint(port), host]).apply(([endpoint, known]) => ({
                    ...endpoint,
                    host: known,
                })),
        };
    }

    private network(): linode.VpcSubnet {
        const { region, subnet } = this.args;
        const vpc = new linode.Vpc(
            `${this.label}-vpc`,
            { label: this.names.of("vpc", "vpc"), region },
            { parent: this },
        );
        return new linode.VpcSubnet(
            `${this.label}-subnet`,
            {
                vpcId: idOf(vpc),
                // Another range is another subnet, which there is before the old one can go.
                label: this.names.of("subnet", `subnet-${subnet.replaceAll(/[./]/g, "-")}`),
                ipv4: subnet,
            },
            { parent: this },
        );
    }

    private group(name: string): linode.PlacementGroup {
        const known = this.groups.get(name);
        if (known !== undefined) {
            return known;
        }
        const group = new linode.PlacementGroup(
            `${this.label}-${name}`,
            {
                label: this.names.of("placementGroup", name),
                region: this.args.region,
                placementGroupType: "anti_affinity:local",
                // A lab that cannot be spread is better than none.
                placementGroupPolicy: "flexible",
            },
            { parent: this, deleteBeforeReplace: true },
        );
        this.groups.set(name, group);
        return group;
    }

    private make(
        machineName: string,
        args: MachineArgs & {
            type: string;
            address: string;
            peers: readonly PortName[];
            privateIp: boolean;
            placementGroup?: pulumi.Input<number>;
        },
    ): LinodeMachine {
        const { region, image, backups, operators, subnet } = this.args;
        return new LinodeMachine(
            machineName,
            {
                ...args,
                names: this.names,
                region,
                image,
                backups,
                subnet: idOf(this.subnet),
                firewall: {
                    peers: rulesFor("peers", args.peers),
                    operators,
                    subnet,
                    balanced: this.balances,
                },
                operatorKey: this.operatorKey,
            },
            { parent: this },
        );
    }

    /** A machine with a registry, and the way to push to it from here. */
    private runRegistry(): Registry {
        const address = this.addresses.at(registryOffset);
        const machine = this.make(registryName, {
            roles: ["registry"],
            publishedPorts: [] as PublishedPort[],
            cloudConfig: machineConfig(registryHost()),
            type: registryType,
            address,
            peers: ["registry"],
            privateIp: false,
        });
        return {
            pushAddress: this.pushAddress(machine, address),
            pullAddress: pulumi.output(`${address}:${ports.registry.from}`),
            ready: machine.booted,
        };
    }

    private pushAddress(machine: LinodeMachine, address: string): pulumi.Output<string> {
        const { registryPort } = this.args;
        const pushAddress = `127.0.0.1:${registryPort}`;
        if (pulumi.runtime.isDryRun()) {
            return pulumi.output(pushAddress);
        }
        const tunnel = new RegistryTunnel({
            port: registryPort,
            connection: () => new Promise<Connection>((resolve) => void machine.connection.apply(resolve)),
            target: { host: address, port: ports.registry.from },
            warn: (message) => void pulumi.log.warn(message, this),
        });
        return pulumi.output(tunnel.listen().then(() => pushAddress));
    }
}

/** An ingress is of machines that the same substrate has made. */
function own(machine: Machine): LinodeMachine {
    if (!(machine instanceof LinodeMachine)) {
        throw new Error(`The machine ${machine.name} is not one of this substrate's.`);
    }
    return machine;
}
