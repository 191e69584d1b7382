import { aclAuthMethod } from "./acl-auth-method";
import { aclBindingRule } from "./acl-binding-rule";
import { aclPolicy } from "./acl-policy";
import { aclRole } from "./acl-role";
import { aclToken } from "./acl-token";
import { NomadClient } from "./client";
import { job } from "./job";
import { namespace } from "./namespace";
import { nodePool } from "./node-pool";
import { nomadSettings } from "./settings";
import { variable } from "./variable";

import type { ProviderDefinition } from "../lib";

export const nomadProvider: ProviderDefinition<NomadClient> = {
    name: "nomad",
    version: "2.5.3",
    config: nomadSettings,
    configure: (config) => new NomadClient(config),
    resources: {
        "nomad:index/aclAuthMethod:AclAuthMethod": aclAuthMethod,
        "nomad:index/aclBindingRule:AclBindingRule": aclBindingRule,
        "nomad:index/aclPolicy:AclPolicy": aclPolicy,
        "nomad:index/aclRole:AclRole": aclRole,
        "nomad:index/aclToken:AclToken": aclToken,
        "nomad:index/job:Job": job,
        "nomad:index/namespace:Namespace": namespace,
        "nomad:index/nodePool:NodePool": nodePool,
        "nomad:index/variable:Variable": variable,
    },
};
