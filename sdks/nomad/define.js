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

/**
 * The class of a resource type, as generated SDKs have it.
 *
 * @param {string} module The module of its type token, e.g. `index/job`.
 * @param {string} className
 * @param {{
 *     inputs: string[],
 *     outputs?: string[],
 *     required?: string[],
 *     secretInputs?: string[],
 *     secretOutputs?: string[],
 * }} properties `outputs` are those that only the provider sets.
 */
function define(module, className, properties) {
    const { inputs, outputs = [], required = [], secretInputs = [], secretOutputs = [] } = properties;
    const type = `nomad:${module}:${className}`;

    class Resource extends pulumi.CustomResource {
        static __pulumiType = type;

        /**
         * @param {string} name
         * @param {pulumi.Input<pulumi.ID>} id
         * @param {Values} [state]
         * @param {pulumi.CustomResourceOptions} [opts]
         */
        static get(name, id, state, opts) {
            return new Resource(name, state, { ...opts, id });
        }

        /**
         * @override
         * @param {any} obj
         * @returns {obj is Resource}
         */
        static isInstance(obj) {
            return obj?.["__pulumiType"] === type;
        }

        /**
         * @param {string} name
         * @param {Values} [argsOrState]
         * @param {pulumi.CustomResourceOptions} [opts]
         */
        constructor(name, argsOrState, opts = {}) {
            let values;
            if (opts.id) {
                values = pick(argsOrState, [...inputs, ...outputs]);
            } else {
                requireProperties(argsOrState, required, opts);
                values = { ...pick(argsOrState, inputs), ...pick(undefined, outputs) };
                secretProperties(values, secretInputs);
            }
            const secrets = { additionalSecretOutputs: secretOutputs };
            super(type, name, values, pulumi.mergeOptions(withDefaults(opts), secrets));
        }
    }

    Object.defineProperty(Resource, "name", { value: className });
    // Lets the engine hand live references to these resources across packages.
    pulumi.runtime.registerResourceModule("nomad", module, {
        version,
        construct: (name, _type, urn) => new Resource(name, undefined, { urn }),
    });
    return Resource;
}

module.exports = { define, pick, requireProperties, secretProperties, withDefaults };
