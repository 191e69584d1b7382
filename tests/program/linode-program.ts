import * as linode from "@pulumi/linode";
import * as pulumi from "@pulumi/pulumi";

/** What the small Linode program is told. */
export interface LinodeSettings {
    /** Of the machines, e.g. `["server-1", "server-2"]`. */
    machines: string[];
    /** Another one replaces every machine. */
    generation?: number;
}

const region = "nl-ams";
const prefix = "gatehouse-test";

export interface LinodeOutputs {
    addresses: Record<string, string>;
}

/**
 * The kinds of resources that a stack on Linode has, without what would need machines that boot: what faults of the API
 * do to them is the engine's and the provider's business alone.
 */
export function linodeProgram({ machines, generation = 1 }: LinodeSettings): LinodeOutputs {
    const tags = ["gatehouse", "gatehouse:test"];
    const vpc = new linode.Vpc("vpc", { label: `${prefix}-vpc`, region });
    const subnet = new linode.VpcSubnet("subnet", {
        vpcId: numberOf(vpc),
        label: `${prefix}-machines`,
        ipv4: "10.213.0.0/24",
    });
    const group = new linode.PlacementGroup("servers", {
        label: `${prefix}-servers`,
        region,
        placementGroupType: "anti_affinity:local",
        placementGroupPolicy: "flexible",
    });
    const made = machines.map((name, index) => {
        const firewall = new linode.Firewall(`${name}-firewall`, {
            label: `${prefix}-${name}`,
            inboundPolicy: "DROP",
            outboundPolicy: "ACCEPT",
            inbounds: [
                {
                    label: "ssh",
                    action: "ACCEPT",
                    protocol: "TCP",
                    ports: "22",
                    ipv4s: ["198.18.0.1/32"],
                },
            ],
            tags,
        });
        const instance = new linode.Instance(
            name,
            {
                label: `${prefix}-${name}`,
                region,
                type: "g6-nanode-1",
                image: "linode/debian12",
                tags,
                privateIp: true,
                firewallId: numberOf(firewall),
                placementGroup: { id: numberOf(group) },
                metadatas: [
                    { userData: Buffer.from(`#cloud-config\n# ${generation}\n{}\n`).toString("base64") },
                ],
                interfaces: [
                    { purpose: "public", primary: true },
                    {
                        purpose: "vpc",
                        subnetId: numberOf(subnet),
                        ipv4: { vpc: `10.213.0.${11 + index}` },
                    },
                ],
            },
            // Labels and addresses are unique.
            { deleteBeforeReplace: true },
        );
        return { name, instance };
    });
    const balancer = new linode.NodeBalancer("ingress", { label: `${prefix}-ingress`, region, tags });
    const port = new linode.NodeBalancerConfig("ingress-80", {
        nodebalancerId: numberOf(balancer),
        port: 80,
        protocol: "tcp",
        proxyProtocol: "v2",
        check: "connection",
    });
    for (const { name, instance } of made) {
        new linode.NodeBalancerNode(`ingress-80-${name}`, {
            nodebalancerId: numberOf(balancer),
            configId: numberOf(port),
            label: name,
            address: pulumi.interpolate`${instance.privateIpAddress}:80`,
        });
    }
    const addresses = made.map(({ name, instance }) => [name, instance.privateIpAddress] as const);
    return { addresses: Object.fromEntries(addresses) as unknown as Record<string, string> };
}

const numberOf = ({ id }: pulumi.CustomResource): pulumi.Output<number> => id.apply(Number);
