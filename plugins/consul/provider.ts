import { aclTokenPolicyAttachment, aclTokenRoleAttachment } from "./acl-attachment";
import { aclAuthMethod } from "./acl-auth-method";
import { aclBindingRule } from "./acl-binding-rule";
import { aclPolicy } from "./acl-policy";
import { aclRole } from "./acl-role";
import { aclTokenSecretId } from "./acl-secret";
import { aclToken } from "./acl-token";
import { ConsulClient } from "./client";
import { configEntry } from "./config-entry";
import { node } from "./node";
import { service } from "./service";
import { consulSettings } from "./settings";

import type { ProviderDefinition } from "../lib";

export const consulProvider: ProviderDefinition<ConsulClient> = {
    name: "consul",
    version: "3.15.1",
    config: consulSettings,
    configure: (config) => new ConsulClient(config),
    resources: {
        "consul:index/aclAuthMethod:AclAuthMethod": aclAuthMethod,
        "consul:index/aclBindingRule:AclBindingRule": aclBindingRule,
        "consul:index/aclPolicy:AclPolicy": aclPolicy,
        "consul:index/aclRole:AclRole": aclRole,
        "consul:index/aclToken:AclToken": aclToken,
        "consul:index/aclTokenPolicyAttachment:AclTokenPolicyAttachment": aclTokenPolicyAttachment,
        "consul:index/aclTokenRoleAttachment:AclTokenRoleAttachment": aclTokenRoleAttachment,
        "consul:index/configEntry:ConfigEntry": configEntry,
        "consul:index/node:Node": node,
        "consul:index/service:Service": service,
    },
    functions: {
        "consul:index/getAclTokenSecretId:getAclTokenSecretId": aclTokenSecretId,
    },
};
