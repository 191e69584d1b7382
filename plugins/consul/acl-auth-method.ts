import { equal, list, map, object, resource, string, type Failure } from "../lib";
import { refuseDuration, sameDuration } from "../lib/duration";
import { parseConfig } from "./normalise";

import type { AuthMethod } from "./acl";
import type { Place } from "./catalog";
import type { ConsulClient } from "./client";

interface Inputs extends Pick<Place, "namespace" | "partition"> {
    name: string;
    type: string;
    displayName?: string;
    description?: string;
    maxTokenTtl: string;
    tokenLocality?: string;
    config?: Record<string, string>;
    configJson?: string;
    namespaceRules?: { selector?: string; bindNamespace: string }[];
}

export const aclAuthMethod = resource<ConsulClient, Inputs, Inputs>({
    inputs: {
        name: string({ autoName: true, replace: true }),
        type: string({ required: true, replace: true }),
        displayName: string(),
        description: string(),
        maxTokenTtl: string({ default: "0s", same: sameDuration, validate: refuseDuration }),
        tokenLocality: string(),
        config: map(string()),
        configJson: string({ same: sameJson, validate: refuseJson }),
        namespaceRules: list(object({ selector: string(), bindNamespace: string({ required: true }) })),
        namespace: string({ replace: true }),
        partition: string({ replace: true }),
    },

    check: (_context, { config, configJson }) => {
        const failures: Failure[] = [];
        if (config !== undefined && configJson !== undefined) {
            failures.push({
                property: "config",
                reason: `"config" and "configJson" exclude each other: leave "config" out`,
            });
        }
        return failures;
    },

    create: async (context, inputs) => {
        await context.client.acl.create(context, "auth-method", what(inputs), bodyOf(inputs), inputs);
        return { id: `auth-method-${inputs.name}`, outputs: {} };
    },

    read: async (context, _id, state, inputs) => {
        if (!state) {
            throw new Error("consul:index/aclAuthMethod:AclAuthMethod cannot be imported");
        }
        const found = await context.client.acl.read(context, "auth-method", state.name, state);
        return (
            found && {
                outputs: {},
                inputs: {
                    name: found.Name,
                    type: found.Type,
                    displayName: found.DisplayName ?? "",
                    description: found.Description ?? "",
                    maxTokenTtl: found.MaxTokenTTL || "0s",
                    // What the program leaves to Consul is Consul's.
                    tokenLocality: inputs?.tokenLocality && (found.TokenLocality ?? ""),
                    ...observedConfig(found.Config ?? {}, inputs),
                    namespaceRules: (found.NamespaceRules ?? []).map(({ Selector, BindNamespace }) => ({
                        bindNamespace: BindNamespace,
                        ...(Selector ? { selector: Selector } : {}),
                    })),
                },
            }
        );
    },

    update: async (context, _id, _state, news) => {
        const { acl } = context.client;
        await acl.update(context, "auth-method", news.name, what(news), bodyOf(news), news);
        return {};
    },

    delete: async (context, _id, state) =>
        context.client.acl.remove(context, "auth-method", state.name, state),
});

function what({ name }: Inputs): string {
    return `ACL auth method "${name}"`;
}

function bodyOf(inputs: Inputs): AuthMethod {
    return {
        Name: inputs.name,
        Type: inputs.type,
        DisplayName: inputs.displayName ?? "",
        Description: inputs.description ?? "",
        MaxTokenTTL: inputs.maxTokenTtl,
        TokenLocality: inputs.tokenLocality ?? "",
        Config: inputs.configJson ? (JSON.parse(inputs.configJson) as AuthMethod["Config"]) : inputs.config,
        // Only Consul Enterprise knows the member.
        NamespaceRules: inputs.namespaceRules?.map(({ selector, bindNamespace }) => ({
            Selector: selector ?? "",
            BindNamespace: bindNamespace,
        })),
    };
}

/** In the form that the program uses. */
function observedConfig(
    found: Record<string, unknown>,
    inputs: Inputs | undefined,
): Pick<Inputs, "config" | "configJson"> {
    if (inputs?.config) {
        return {
            config: Object.fromEntries(Object.entries(found).map(([key, value]) => [key, text(value)])),
        };
    }
    return Object.keys(found).length > 0 || inputs?.configJson ? { configJson: JSON.stringify(found) } : {};
}

function text(value: unknown): string {
    return typeof value === "string" ? value : JSON.stringify(value);
}

function refuseJson(json: string): string | undefined {
    const parsed = parseConfig(json);
    return typeof parsed === "string" ? parsed : undefined;
}

function sameJson(left: unknown, right: unknown): boolean {
    const [one, other] = [parseConfig(String(left)), parseConfig(String(right))];
    return left === right || (typeof one !== "string" && equal(one, other));
}
