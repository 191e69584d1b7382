import * as linode from "@pulumi/linode";
import * as pulumi from "@pulumi/pulumi";

import type { Endpoint, Ingress, IngressArgs } from "../machine";
import { balancerSource } from "./firewall";
import type { LinodeNames } from "./labels";
import { idOf, type LinodeMachine } from "./machine";

export interface LinodeIngressArgs extends Pick<IngressArgs, "ports"> {
    names: LinodeNames;
    region: string;
    /** Each has a private address. */
    machines: LinodeMachine[];
}

/**
 * How machines that do not answer are found. It connects and says nothing, because a check would not begin with the PROXY
 * header that requests begin with: HAProxy takes that as a probe. The interval is short: where nobody listens any more,
 * requests are lost until it is noticed.
 */
const check = {
    check: "connection",
    checkInterval: 3,
    checkTimeout: 2,
    checkAttempts: 2,
    checkPassive: true,
};

/** A NodeBalancer before machines, which tells them by the PROXY protocol who calls. */
export class LinodeIngress extends pulumi.ComponentResource implements Ingress {
    readonly machines: LinodeMachine[];
    readonly proxySources = [balancerSource];
    /** The address that users call. */
    readonly address: pulumi.Output<string>;

    private readonly endpoints = new Map<number, pulumi.Output<Endpoint>>();

    constructor(name: string, args: LinodeIngressArgs, opts?: pulumi.ComponentResourceOptions) {
        super("gatehouse:machines:LinodeIngress", name, {}, opts);
        this.machines = args.machines;
        const balancer = new linode.NodeBalancer(
            name,
            { label: args.names.of("nodeBalancer", name), region: args.region, tags: args.names.tags },
            { parent: this, deleteBeforeReplace: true },
        );
        this.address = balancer.ipv4;
        for (const port of args.ports) {
            this.endpoints.set(port, this.open(name, balancer, port));
        }
        this.registerOutputs({ address: this.address });
    }

    endpoint(port: number): pulumi.Output<Endpoint> {
        const endpoint = this.endpoints.get(port);
        if (endpoint === undefined) {
            throw new Error(
                `The ingress has no port ${port}; add it to its ports (${[...this.endpoints.keys()].join(", ")}).`,
            );
        }
        return endpoint;
    }

    /** One port with a node for each machine. */
    private open(name: string, balancer: linode.NodeBalancer, port: number): pulumi.Output<Endpoint> {
        const nodebalancerId = idOf(balancer);
        const config = new linode.NodeBalancerConfig(
            `${name}-${port}`,
            {
                nodebalancerId,
                port,
                protocol: "tcp",
                proxyProtocol: "v2",
                algorithm: "roundrobin",
                stickiness: "none",
                ...check,
            },
            { parent: this, deleteBeforeReplace: true },
        );
        const nodes = this.machines.map(
            (machine) =>
                new linode.NodeBalancerNode(
                    `${name}-${port}-${machine.name}`,
                    {
                        nodebalancerId,
                        configId: idOf(config),
                        label: machine.name,
                        address: pulumi.interpolate`${machine.balancedAddress}:${port}`,
                        mode: "accept",
                    },
                    { parent: this, deleteBeforeReplace: true },
                ),
        );
        // Known when there is somebody to answer.
        return pulumi
            .all([balancer.ipv4, ...nodes.map(({ id }) => id)])
            .apply(([host]) => ({ host: host!, port }));
    }
}
