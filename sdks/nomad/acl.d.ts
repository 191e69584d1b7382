import * as pulumi from "@pulumi/pulumi";

import type { inputs, outputs } from "./types";

/** How people or workloads log in with the token of an identity provider. */
export declare class AclAuthMethod extends pulumi.CustomResource {
    /** Reads one that something else manages; `id` is its name. */
    static get(
        name: string,
        id: pulumi.Input<pulumi.ID>,
        state?: AclAuthMethodState,
        opts?: pulumi.CustomResourceOptions,
    ): AclAuthMethod;
    static isInstance(obj: unknown): obj is AclAuthMethod;
    readonly config: pulumi.Output<outputs.AclAuthMethodConfig>;
    readonly default: pulumi.Output<boolean | undefined>;
    readonly maxTokenTtl: pulumi.Output<string>;
    readonly name: pulumi.Output<string>;
    readonly tokenLocality: pulumi.Output<string>;
    readonly tokenNameFormat: pulumi.Output<string | undefined>;
    readonly type: pulumi.Output<string>;
    constructor(name: string, args: AclAuthMethodArgs, opts?: pulumi.CustomResourceOptions);
}

export interface AclAuthMethodArgs {
    config: pulumi.Input<inputs.AclAuthMethodConfig>;
    /** The method that `nomad login` uses if none is named. */
    default?: pulumi.Input<boolean | undefined>;
    /** How long tokens live, e.g. `1h`. */
    maxTokenTtl: pulumi.Input<string>;
    /** Default: named after the resource. A change replaces. */
    name?: pulumi.Input<string | undefined>;
    /** `local` or `global`. */
    tokenLocality: pulumi.Input<string>;
    /** Default `${auth_method_type}-${auth_method_name}`. */
    tokenNameFormat?: pulumi.Input<string | undefined>;
    /** `OIDC` or `JWT`. */
    type: pulumi.Input<string>;
}

export type AclAuthMethodState = Partial<AclAuthMethodArgs>;

/** What a login by an auth method grants. */
export declare class AclBindingRule extends pulumi.CustomResource {
    /** Reads one that something else manages; `id` is its id. */
    static get(
        name: string,
        id: pulumi.Input<pulumi.ID>,
        state?: AclBindingRuleState,
        opts?: pulumi.CustomResourceOptions,
    ): AclBindingRule;
    static isInstance(obj: unknown): obj is AclBindingRule;
    readonly authMethod: pulumi.Output<string>;
    readonly bindName: pulumi.Output<string | undefined>;
    readonly bindType: pulumi.Output<string>;
    readonly description: pulumi.Output<string | undefined>;
    readonly selector: pulumi.Output<string | undefined>;
    constructor(name: string, args: AclBindingRuleArgs, opts?: pulumi.CustomResourceOptions);
}

export interface AclBindingRuleArgs {
    /** Name of the auth method. */
    authMethod: pulumi.Input<string>;
    /** Name of the role or policy; none for `management`. */
    bindName?: pulumi.Input<string | undefined>;
    /** `role`, `policy` or `management`. */
    bindType: pulumi.Input<string>;
    description?: pulumi.Input<string | undefined>;
    /** Which logins it is for; default: all. */
    selector?: pulumi.Input<string | undefined>;
}

export type AclBindingRuleState = Partial<AclBindingRuleArgs>;

/** What tokens, or the workload identities of a job, may do. */
export declare class AclPolicy extends pulumi.CustomResource {
    /** Reads one that something else manages; `id` is its name. */
    static get(
        name: string,
        id: pulumi.Input<pulumi.ID>,
        state?: AclPolicyState,
        opts?: pulumi.CustomResourceOptions,
    ): AclPolicy;
    static isInstance(obj: unknown): obj is AclPolicy;
    readonly description: pulumi.Output<string | undefined>;
    readonly jobAcl: pulumi.Output<outputs.AclPolicyJobAcl | undefined>;
    readonly name: pulumi.Output<string>;
    readonly rulesHcl: pulumi.Output<string>;
    constructor(name: string, args: AclPolicyArgs, opts?: pulumi.CustomResourceOptions);
}

export interface AclPolicyArgs {
    description?: pulumi.Input<string | undefined>;
    /** Attaches the policy to the workload identities of a job, a group or a task. */
    jobAcl?: pulumi.Input<inputs.AclPolicyJobAcl | undefined>;
    /** Default: named after the resource. A change replaces. */
    name?: pulumi.Input<string | undefined>;
    /** The rules, in HCL or JSON. */
    rulesHcl: pulumi.Input<string>;
}

export type AclPolicyState = Partial<AclPolicyArgs>;

/** Policies under one name. */
export declare class AclRole extends pulumi.CustomResource {
    /** Reads one that something else manages; `id` is its id. */
    static get(
        name: string,
        id: pulumi.Input<pulumi.ID>,
        state?: AclRoleState,
        opts?: pulumi.CustomResourceOptions,
    ): AclRole;
    static isInstance(obj: unknown): obj is AclRole;
    readonly description: pulumi.Output<string | undefined>;
    readonly name: pulumi.Output<string>;
    readonly policies: pulumi.Output<outputs.AclRolePolicy[]>;
    constructor(name: string, args: AclRoleArgs, opts?: pulumi.CustomResourceOptions);
}

export interface AclRoleArgs {
    description?: pulumi.Input<string | undefined>;
    /** Default: named after the resource. */
    name?: pulumi.Input<string | undefined>;
    policies: pulumi.Input<pulumi.Input<inputs.AclRolePolicy>[]>;
}

export type AclRoleState = Partial<AclRoleArgs>;

/** A token for the API. */
export declare class AclToken extends pulumi.CustomResource {
    /** Reads one that something else manages; `id` is its accessor id. */
    static get(
        name: string,
        id: pulumi.Input<pulumi.ID>,
        state?: AclTokenState,
        opts?: pulumi.CustomResourceOptions,
    ): AclToken;
    static isInstance(obj: unknown): obj is AclToken;
    /** Names the token without granting anything. */
    readonly accessorId: pulumi.Output<string>;
    readonly createTime: pulumi.Output<string>;
    /** Empty if it never expires. */
    readonly expirationTime: pulumi.Output<string>;
    readonly expirationTtl: pulumi.Output<string | undefined>;
    readonly global: pulumi.Output<boolean | undefined>;
    readonly name: pulumi.Output<string>;
    readonly policies: pulumi.Output<string[] | undefined>;
    readonly roles: pulumi.Output<outputs.AclTokenRole[] | undefined>;
    /** What requests carry. Secret. */
    readonly secretId: pulumi.Output<string>;
    readonly type: pulumi.Output<string>;
    constructor(name: string, args: AclTokenArgs, opts?: pulumi.CustomResourceOptions);
}

export interface AclTokenArgs {
    /** How long it lives, e.g. `1h`; default `0s`, for ever. A change replaces the token. */
    expirationTtl?: pulumi.Input<string | undefined>;
    /** Good in all regions; default false. A change replaces the token. */
    global?: pulumi.Input<boolean | undefined>;
    /** Default: named after the resource. */
    name?: pulumi.Input<string | undefined>;
    /** Names of policies, for a `client` token. */
    policies?: pulumi.Input<pulumi.Input<string>[] | undefined>;
    /** For a `client` token. */
    roles?: pulumi.Input<pulumi.Input<inputs.AclTokenRole>[] | undefined>;
    /** `client` or `management`. */
    type: pulumi.Input<string>;
}

export interface AclTokenState extends Partial<AclTokenArgs> {
    accessorId?: pulumi.Input<string | undefined>;
    createTime?: pulumi.Input<string | undefined>;
    expirationTime?: pulumi.Input<string | undefined>;
    secretId?: pulumi.Input<string | undefined>;
}
