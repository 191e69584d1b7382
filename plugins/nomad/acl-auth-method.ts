import { boolean, list, map, object, resource, string, type Properties } from "../lib";
import { refuseDuration, sameDuration } from "../lib/duration";
import { read, remove, write, type AuthMethod } from "./acl";

import type { NomadClient } from "./client";

interface Inputs {
    name: string;
    type: string;
    tokenLocality: string;
    maxTokenTtl: string;
    tokenNameFormat: string;
    default?: boolean;
    config: Record<string, unknown>;
}

const leeway = string({ default: "0s", same: sameDuration, validate: refuseDuration });

/** Each property of `config`, and its member in the API. */
const members: Record<string, { member: string; property: Properties[string] }> = {
    allowedRedirectUris: { member: "AllowedRedirectURIs", property: list() },
    boundAudiences: { member: "BoundAudiences", property: list() },
    boundIssuers: { member: "BoundIssuer", property: list() },
    claimMappings: { member: "ClaimMappings", property: map() },
    clockSkewLeeway: { member: "ClockSkewLeeway", property: leeway },
    discoveryCaPems: { member: "DiscoveryCaPem", property: list() },
    expirationLeeway: { member: "ExpirationLeeway", property: leeway },
    jwksCaCert: { member: "JWKSCACert", property: string() },
    jwksUrl: { member: "JWKSURL", property: string() },
    jwtValidationPubKeys: { member: "JWTValidationPubKeys", property: list() },
    listClaimMappings: { member: "ListClaimMappings", property: map() },
    notBeforeLeeway: { member: "NotBeforeLeeway", property: leeway },
    oidcClientId: { member: "OIDCClientID", property: string() },
    oidcClientSecret: { member: "OIDCClientSecret", property: string({ secret: true }) },
    oidcDisableUserinfo: { member: "OIDCDisableUserInfo", property: boolean({ default: false }) },
    oidcDiscoveryUrl: { member: "OIDCDiscoveryURL", property: string() },
    oidcEnablePkce: { member: "OIDCEnablePKCE", property: boolean({ default: false }) },
    oidcScopes: { member: "OIDCScopes", property: list() },
    signingAlgs: { member: "SigningAlgs", property: list() },
};

/** `config.oidcClientAssertion` is not covered. */
export const aclAuthMethod = resource<NomadClient, Inputs, Inputs>({
    inputs: {
        // Nomad cannot rename one: the official plugin tries, and fails.
        name: string({ autoName: true, replace: true }),
        type: string({ required: true, oneOf: ["OIDC", "JWT"] }),
        tokenLocality: string({ required: true, oneOf: ["local", "global"] }),
        maxTokenTtl: string({ required: true, same: sameDuration, validate: refuseDuration }),
        tokenNameFormat: string({ default: "${auth_method_type}-${auth_method_name}" }),
        default: boolean(),
        config: object(
            Object.fromEntries(Object.entries(members).map(([name, { property }]) => [name, property])),
            { required: true },
        ),
    },

    create: async (context, inputs) => {
        await write(context, "/v1/acl/auth-method", what(inputs.name), bodyOf(inputs));
        return { id: inputs.name, outputs: {} };
    },

    read: async (context, id, state) => {
        const found = await read<AuthMethod>(context, path(id));
        return (
            found && {
                outputs: {},
                inputs: {
                    name: found.Name,
                    type: found.Type,
                    tokenLocality: found.TokenLocality,
                    maxTokenTtl: found.MaxTokenTTL,
                    tokenNameFormat: found.TokenNameFormat,
                    default: found.Default || undefined,
                    config: observedConfig(found.Config ?? {}, state?.config),
                },
            }
        );
    },

    update: async (context, id, _state, news) => {
        await write(context, path(id), what(news.name), bodyOf(news));
        return {};
    },

    delete: async (context, id) => remove(context, path(id), what(id)),
});

const path = (name: string): string => `/v1/acl/auth-method/${encodeURIComponent(name)}`;
const what = (name: string): string => `ACL auth method "${name}"`;

function bodyOf(inputs: Inputs): AuthMethod {
    const config = Object.entries(inputs.config).map(([name, value]) => [members[name]!.member, value]);
    return {
        Name: inputs.name,
        Type: inputs.type,
        TokenLocality: inputs.tokenLocality,
        MaxTokenTTL: inputs.maxTokenTtl,
        TokenNameFormat: inputs.tokenNameFormat,
        Default: inputs.default ?? false,
        Config: Object.fromEntries(config) as Record<string, unknown>,
    };
}

/** Without what is not set. Nomad does not tell the client secret; the one that it was given stands for it. */
function observedConfig(
    found: Record<string, unknown>,
    known: Record<string, unknown> | undefined,
): Record<string, unknown> {
    const config: Record<string, unknown> = {};
    for (const [name, { member, property }] of Object.entries(members)) {
        const value = name === "oidcClientSecret" && found[member] ? known?.[name] : found[member];
        const unset = value === null || value === undefined || value === "";
        if (!unset) {
            config[name] = value;
        } else if (property.default !== undefined) {
            config[name] = property.default;
        }
    }
    return config;
}
