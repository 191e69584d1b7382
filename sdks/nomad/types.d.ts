import * as pulumi from "@pulumi/pulumi";

/** The objects inside of arguments, and inside of outputs. */
export declare namespace inputs {
    interface ProviderHeader {
        name: pulumi.Input<string>;
        value: pulumi.Input<string>;
    }
    /** `oidcClientAssertion` is not covered. Durations are such as `30s`. */
    interface AclAuthMethodConfig {
        allowedRedirectUris?: pulumi.Input<pulumi.Input<string>[] | undefined>;
        boundAudiences?: pulumi.Input<pulumi.Input<string>[] | undefined>;
        boundIssuers?: pulumi.Input<pulumi.Input<string>[] | undefined>;
        /** From claims to the names that selectors of binding rules use, as `value.<name>`. */
        claimMappings?: pulumi.Input<{ [key: string]: pulumi.Input<string> } | undefined>;
        /** Default `0s`. */
        clockSkewLeeway?: pulumi.Input<string | undefined>;
        discoveryCaPems?: pulumi.Input<pulumi.Input<string>[] | undefined>;
        /** Default `0s`. */
        expirationLeeway?: pulumi.Input<string | undefined>;
        jwksCaCert?: pulumi.Input<string | undefined>;
        jwksUrl?: pulumi.Input<string | undefined>;
        /** PEM-encoded. */
        jwtValidationPubKeys?: pulumi.Input<pulumi.Input<string>[] | undefined>;
        /** As `claimMappings`, for claims that are lists: `list.<name>`. */
        listClaimMappings?: pulumi.Input<{ [key: string]: pulumi.Input<string> } | undefined>;
        /** Default `0s`. */
        notBeforeLeeway?: pulumi.Input<string | undefined>;
        oidcClientId?: pulumi.Input<string | undefined>;
        /** Stored as a secret. */
        oidcClientSecret?: pulumi.Input<string | undefined>;
        /** Default false. */
        oidcDisableUserinfo?: pulumi.Input<boolean | undefined>;
        oidcDiscoveryUrl?: pulumi.Input<string | undefined>;
        /** Default false. */
        oidcEnablePkce?: pulumi.Input<boolean | undefined>;
        oidcScopes?: pulumi.Input<pulumi.Input<string>[] | undefined>;
        signingAlgs?: pulumi.Input<pulumi.Input<string>[] | undefined>;
    }
    interface AclPolicyJobAcl {
        jobId: pulumi.Input<string>;
        /** Default `default`. */
        namespace?: pulumi.Input<string | undefined>;
        group?: pulumi.Input<string | undefined>;
        /** Needs `group`. */
        task?: pulumi.Input<string | undefined>;
    }
    interface AclRolePolicy {
        name: pulumi.Input<string>;
    }
    interface AclTokenRole {
        id: pulumi.Input<string>;
        /** Nomad knows it. */
        name?: pulumi.Input<string | undefined>;
    }
    interface NamespaceCapabilities {
        disabledTaskDrivers?: pulumi.Input<pulumi.Input<string>[] | undefined>;
        enabledTaskDrivers?: pulumi.Input<pulumi.Input<string>[] | undefined>;
    }
    interface NodePoolSchedulerConfig {
        /** `enabled` or `disabled`; default: the cluster's. */
        memoryOversubscription?: pulumi.Input<string | undefined>;
        /** `binpack` or `spread`; default: the cluster's. */
        schedulerAlgorithm?: pulumi.Input<string | undefined>;
    }
    interface JobHcl2 {
        /** Allow functions that read files of the machine that runs Pulumi; default false. */
        allowFs?: pulumi.Input<boolean | undefined>;
        /**
         * Values of the specification's `variable` blocks, as text: taken literally for strings and numbers, as an
         * HCL expression for every other type (`["a", "b"]`, `true`).
         */
        vars?: pulumi.Input<{ [key: string]: pulumi.Input<string> } | undefined>;
    }
}

export declare namespace outputs {
    interface AclAuthMethodConfig {
        allowedRedirectUris?: string[];
        boundAudiences?: string[];
        boundIssuers?: string[];
        claimMappings?: { [key: string]: string };
        clockSkewLeeway?: string;
        discoveryCaPems?: string[];
        expirationLeeway?: string;
        jwksCaCert?: string;
        jwksUrl?: string;
        jwtValidationPubKeys?: string[];
        listClaimMappings?: { [key: string]: string };
        notBeforeLeeway?: string;
        oidcClientId?: string;
        oidcClientSecret?: string;
        oidcDisableUserinfo?: boolean;
        oidcDiscoveryUrl?: string;
        oidcEnablePkce?: boolean;
        oidcScopes?: string[];
        signingAlgs?: string[];
    }
    interface AclPolicyJobAcl {
        jobId: string;
        namespace?: string;
        group?: string;
        task?: string;
    }
    interface AclRolePolicy {
        name: string;
    }
    interface AclTokenRole {
        id: string;
        name: string;
    }
    interface NamespaceCapabilities {
        disabledTaskDrivers?: string[];
        enabledTaskDrivers?: string[];
    }
    interface NodePoolSchedulerConfig {
        memoryOversubscription?: string;
        schedulerAlgorithm?: string;
    }
    interface JobHcl2 {
        allowFs?: boolean;
        vars?: { [key: string]: string };
    }
    interface JobTaskGroup {
        count: number;
        meta: { [key: string]: string };
        name: string;
        tasks: JobTaskGroupTask[];
        volumes: JobTaskGroupVolume[];
    }
    interface JobTaskGroupTask {
        driver: string;
        meta: { [key: string]: string };
        name: string;
        volumeMounts: JobTaskGroupTaskVolumeMount[];
    }
    interface JobTaskGroupTaskVolumeMount {
        destination: string;
        readOnly: boolean;
        volume: string;
    }
    interface JobTaskGroupVolume {
        name: string;
        readOnly: boolean;
        source: string;
        type: string;
    }
}
