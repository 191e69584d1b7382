"use strict";

const pulumi = require("@pulumi/pulumi");
const { version } = require("./package.json");
const { define, pick, requireProperties, secretProperties, withDefaults } = require("./define");

/** @typedef {Record<string, any>} Values The types that programs see are in index.d.ts. */

const providerStrings = [
    "address",
    "caFile",
    "caPem",
    "certFile",
    "certPem",
    "httpAuth",
    "keyFile",
    "keyPem",
    "region",
    "secretId",
];
const providerJson = ["headers", "ignoreEnvVars", "skipVerify"];

class Provider extends pulumi.ProviderResource {
    static __pulumiType = "nomad";

    /**
     * @override
     * @param {any} obj
     * @returns {obj is Provider}
     */
    static isInstance(obj) {
        return obj?.["__pulumiType"] === "pulumi:providers:" + Provider.__pulumiType;
    }

    /**
     * @param {string} name
     * @param {Values} [args]
     * @param {pulumi.ResourceOptions} [opts]
     */
    constructor(name, args, opts = {}) {
        requireProperties(args, ["address"], opts);
        const inputs = pick(args, [...providerStrings, ...providerJson]);
        secretProperties(inputs, ["headers"]);
        // Provider configuration travels as strings.
        for (const property of providerJson) {
            inputs[property] = pulumi.output(inputs[property]).apply(JSON.stringify);
        }
        super(Provider.__pulumiType, name, inputs, withDefaults(opts));
    }
}

/** Each class with the module of its type token. */
const resources = {
    AclAuthMethod: define("index/aclAuthMethod", "AclAuthMethod", {
        inputs: ["config", "default", "maxTokenTtl", "name", "tokenLocality", "tokenNameFormat", "type"],
        required: ["config", "maxTokenTtl", "tokenLocality", "type"],
    }),
    AclBindingRule: define("index/aclBindingRule", "AclBindingRule", {
        inputs: ["authMethod", "bindName", "bindType", "description", "selector"],
        required: ["authMethod", "bindType"],
    }),
    AclPolicy: define("index/aclPolicy", "AclPolicy", {
        inputs: ["description", "jobAcl", "name", "rulesHcl"],
        required: ["rulesHcl"],
    }),
    AclRole: define("index/aclRole", "AclRole", {
        inputs: ["description", "name", "policies"],
        required: ["policies"],
    }),
    AclToken: define("index/aclToken", "AclToken", {
        inputs: ["expirationTtl", "global", "name", "policies", "roles", "type"],
        outputs: ["accessorId", "createTime", "expirationTime", "secretId"],
        required: ["type"],
        secretOutputs: ["secretId"],
    }),
    Job: define("index/job", "Job", {
        inputs: [
            "deregisterOnDestroy",
            "deregisterOnIdChange",
            "detach",
            "hcl2",
            "jobspec",
            "json",
            "policyOverride",
            "purgeOnDestroy",
            "readAllocationIds",
            "rerunIfDead",
        ],
        outputs: [
            "allocationIds",
            "datacenters",
            "deploymentId",
            "deploymentStatus",
            "modifyIndex",
            "name",
            "namespace",
            "region",
            "status",
            "taskGroups",
            "type",
        ],
        required: ["jobspec"],
    }),
    Namespace: define("index/namespace", "Namespace", {
        inputs: ["capabilities", "description", "meta", "name", "quota"],
    }),
    NodePool: define("index/nodePool", "NodePool", {
        inputs: ["description", "meta", "name", "schedulerConfig"],
    }),
    Variable: define("index/variable", "Variable", {
        inputs: ["items", "namespace", "path"],
        required: ["items", "path"],
        secretInputs: ["items"],
        secretOutputs: ["items"],
    }),
};

module.exports = { Provider, ...resources };

// Lets the engine hand live references to providers across packages.
pulumi.runtime.registerResourcePackage("nomad", {
    version,
    constructProvider: (name, _type, urn) => new Provider(name, undefined, { urn }),
});
