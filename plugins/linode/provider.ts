import { LinodeClient } from "./client";
import { domain, domainRecord, getDomain } from "./domain";
import { firewall } from "./firewall";
import { instance } from "./instance";
import { placementGroup, sshKey, vpc, vpcSubnet } from "./network";
import { nodeBalancer, nodeBalancerConfig, nodeBalancerNode } from "./node-balancer";
import { linodeSettings } from "./settings";

import type { ProviderDefinition } from "../lib";

export const linodeProvider: ProviderDefinition<LinodeClient> = {
    name: "linode",
    version: "5.1.1",
    config: linodeSettings,
    configure: (config) => new LinodeClient(config),
    resources: {
        "linode:index/domain:Domain": domain,
        "linode:index/domainRecord:DomainRecord": domainRecord,
        "linode:index/firewall:Firewall": firewall,
        "linode:index/instance:Instance": instance,
        "linode:index/nodeBalancer:NodeBalancer": nodeBalancer,
        "linode:index/nodeBalancerConfig:NodeBalancerConfig": nodeBalancerConfig,
        "linode:index/nodeBalancerNode:NodeBalancerNode": nodeBalancerNode,
        "linode:index/placementGroup:PlacementGroup": placementGroup,
        "linode:index/sshKey:SshKey": sshKey,
        "linode:index/vpc:Vpc": vpc,
        "linode:index/vpcSubnet:VpcSubnet": vpcSubnet,
    },
    functions: { "linode:index/getDomain:getDomain": getDomain },
};
