"use strict";

const pulumi = require("@pulumi/pulumi");
const { version } = require("./package.json");

/** @typedef {Record<string, any>} Values The types that programs see are in index.d.ts. */

/**
 * Picks the named properties of `source`; those that it lacks become undefined, as in generated SDKs.
 *
 * @param {Values | undefined} source
 * @param {string[]} names
 * @returns {Values}
 */
function pick(source, names) {
    return Object.fromEntries(names.map((name) => [name, source?.[name]]));
}

/**
 * @param {Values | undefined} args
 * @param {string[]} names
 * @param {Values} opts
 */
function requireProperties(args, names, opts) {
    for (const name of names) {
        if (args?.[name] === undefined && !opts.urn) {
            throw new Error(`Missing required property '${name}'`);
        }
    }
}

/**
 * @param {Values} inputs
 * @param {string[]} names
 */
function secretProperties(inputs, names) {
    for (const name of names) {
        if (inputs[name] !== undefined) {
            inputs[name] = pulumi.secret(inputs[name]);
        }
    }
}

/**
 * The engine chooses the plugin by this version unless the program names another.
 *
 * @param {Values} opts
 */
function withDefaults(opts) {
    return pulumi.mergeOptions({ version }, opts);
}

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

const jobInputs = [
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
];
const jobOutputs = [
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
];

class Job extends pulumi.CustomResource {
    static __pulumiType = "nomad:index/job:Job";

    /**
     * @param {string} name
     * @param {pulumi.Input<pulumi.ID>} id
     * @param {Values} [state]
     * @param {pulumi.CustomResourceOptions} [opts]
     */
    static get(name, id, state, opts) {
        return new Job(name, state, { ...opts, id });
    }

    /**
     * @override
     * @param {any} obj
     * @returns {obj is Job}
     */
    static isInstance(obj) {
        return obj?.["__pulumiType"] === Job.__pulumiType;
    }

    /**
     * @param {string} name
     * @param {Values} [argsOrState]
     * @param {pulumi.CustomResourceOptions} [opts]
     */
    constructor(name, argsOrState, opts = {}) {
        let inputs;
        if (opts.id) {
            inputs = pick(argsOrState, [...jobInputs, ...jobOutputs]);
        } else {
            requireProperties(argsOrState, ["jobspec"], opts);
            inputs = { ...pick(argsOrState, jobInputs), ...pick(undefined, jobOutputs) };
        }
        super(Job.__pulumiType, name, inputs, withDefaults(opts));
    }
}

const variableInputs = ["items", "namespace", "path"];

class Variable extends pulumi.CustomResource {
    static __pulumiType = "nomad:index/variable:Variable";

    /**
     * @param {string} name
     * @param {pulumi.Input<pulumi.ID>} id
     * @param {Values} [state]
     * @param {pulumi.CustomResourceOptions} [opts]
     */
    static get(name, id, state, opts) {
        return new Variable(name, state, { ...opts, id });
    }

    /**
     * @override
     * @param {any} obj
     * @returns {obj is Variable}
     */
    static isInstance(obj) {
        return obj?.["__pulumiType"] === Variable.__pulumiType;
    }

    /**
     * @param {string} name
     * @param {Values} [argsOrState]
     * @param {pulumi.CustomResourceOptions} [opts]
     */
    constructor(name, argsOrState, opts = {}) {
        const inputs = pick(argsOrState, variableInputs);
        if (!opts.id) {
            requireProperties(argsOrState, ["items", "path"], opts);
            secretProperties(inputs, ["items"]);
        }
        const secretOutputs = { additionalSecretOutputs: ["items"] };
        super(Variable.__pulumiType, name, inputs, pulumi.mergeOptions(withDefaults(opts), secretOutputs));
    }
}

module.exports = { Provider, Job, Variable };

// Lets the engine hand live references to these resources across packages.
pulumi.runtime.registerResourceModule("nomad", "index/job", {
    version,
    construct: (name, _type, urn) => new Job(name, undefined, { urn }),
});
pulumi.runtime.registerResourceModule("nomad", "index/variable", {
    version,
    construct: (name, _type, urn) => new Variable(name, undefined, { urn }),
});
pulumi.runtime.registerResourcePackage("nomad", {
    version,
    constructProvider: (name, _type, urn) => new Provider(name, undefined, { urn }),
});
