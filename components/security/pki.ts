import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";

import { type ArgumentProblem, countProblem, emptinessProblem, refuseArguments } from "./arguments";
import type { Validity } from "./expiry";

export interface CertificateAuthorityArgs {
    /**
     * Whom its certificates name as the issuer, followed by the generation: `Gatehouse Consul CA G1`. At most 56
     * characters. A change replaces the CA's certificate and all that it has signed; the keys stay.
     */
    commonName: string;
    /**
     * How long the CA's certificate is valid, in whole days. Default 3650. In the last tenth of that time `up` renews
     * it with the same key and name, so that old and new certificates believe each other. A change does the same.
     */
    lifetimeDays?: number;
    /**
     * Which of the CA's keys signs, from 1 up. Default 1. A change makes a new CA and replaces all that it has signed.
     * Nodes that do not trust the new one yet would refuse their peers, so a CA is rolled in three steps, each an
     * `up`: `{ generation: 1, alsoTrusted: [2] }`, then `{ generation: 2, alsoTrusted: [1] }`, then `{ generation: 2 }`.
     */
    generation?: number;
    /** Further generations that are in {@link CertificateAuthority.bundlePem}. Default: none. */
    alsoTrusted?: readonly number[];
}

/** What a certificate may be used for: to be called as a server, or to call as a client. */
export type CertificateUsage = "server" | "client";

export interface CertificateArgs {
    /**
     * Whose certificate it is, at most 64 characters. A change replaces the certificate; the key stays. Default: none, for
     * servers that would take it for a user's name; `organization` says whose it is then.
     */
    commonName?: string;
    /** The same in a field that no server takes for a name. Default: none. */
    organization?: string;
    /** The names that peers verify. A server needs at least one name or address. A change replaces the certificate. */
    dnsNames: readonly string[];
    /** The addresses that peers verify. Default: none. A change replaces the certificate. */
    ipAddresses?: pulumi.Input<pulumi.Input<string>[]>;
    /** At least one. A change replaces the certificate. */
    usages: readonly CertificateUsage[];
    /** How long it is valid, in whole days, at most as long as the CA's. A change replaces the certificate. */
    lifetimeDays: number;
    /** How many whole days before its end `up` renews the certificate with the same key. A change replaces nothing. */
    earlyRenewalDays: number;
    /** A number from 1 up. Another one replaces key and certificate, and nothing else. */
    rotation: number;
}

/** A certificate and its key, each as PEM. */
export interface Certificate {
    /** Public: it is shown to everybody who connects, and plain in Pulumi's state. */
    certPem: pulumi.Output<string>;
    /** Secret, SEC 1. */
    keyPem: pulumi.Output<string>;
    /** When it ends, as RFC 3339. */
    expires: pulumi.Output<string>;
}

const hoursPerDay = 24;

/** RFC 5280, upper bound of a common name. */
const longestName = 64;

/** Nobody has asked for weaker or for stronger ones: the curve of `consul tls` and `nomad tls`. */
const keyAlgorithm = { algorithm: "ECDSA", ecdsaCurve: "P256" };

/**
 * A private CA. Its key is in Pulumi's state alone, encrypted, and on no machine: everything that it signs is made by
 * the program, before a machine boots.
 */
export class CertificateAuthority extends pulumi.ComponentResource {
    /** The certificate that signs, as PEM. */
    readonly certPem: pulumi.Output<string>;
    /** What nodes have to trust: the certificate that signs, then those of `alsoTrusted`, as PEM. */
    readonly bundlePem: pulumi.Output<string>;

    private readonly issued: Validity[] = [];
    private readonly signer: Generation;
    private readonly lifetimeDays: number;

    /** @throws pulumi.InputPropertiesError that names every argument that cannot be used. */
    constructor(
        private readonly label: string,
        args: CertificateAuthorityArgs,
        opts?: pulumi.ComponentResourceOptions,
    ) {
        super("gatehouse:security:CertificateAuthority", label, {}, opts);
        const { commonName, lifetimeDays = 3650, generation = 1, alsoTrusted = [] } = args;
        refuseArguments(`the CA ${label}`, [
            ...nameProblems("commonName", commonName, longestName - " G999999".length),
            ...countProblem("lifetimeDays", lifetimeDays),
            ...countProblem("generation", generation),
            ...alsoTrusted.flatMap((each, index) => countProblem(`alsoTrusted[${index}]`, each)),
        ]);
        this.lifetimeDays = lifetimeDays;
        const others = [...new Set(alsoTrusted)].filter((each) => each !== generation);
        const generations = [generation, ...others].map((each) =>
            this.makeGeneration(each, commonName, lifetimeDays),
        );
        this.signer = generations[0]!;
        this.certPem = this.signer.certificate.certPem;
        this.bundlePem = pulumi.all(generations.map(({ certificate }) => certificate.certPem)).apply(bundle);
        this.registerOutputs({ certPem: this.certPem, bundlePem: this.bundlePem });
    }

    /** The certificates that there are by now, the CA's own among them. */
    get validities(): readonly Validity[] {
        return this.issued;
    }

    /**
     * Makes a key and a certificate for it. The name is its identity: another one is another certificate.
     *
     * @throws pulumi.InputPropertiesError that names every argument that cannot be used.
     */
    issue(name: string, args: CertificateArgs): Certificate {
        refuseArguments(`the certificate ${name}`, [
            ...emptinessProblem("name", name),
            ...certificateProblems(args, this.lifetimeDays),
        ]);
        const prefix = `${this.label}-${name}`;
        const key = new tls.PrivateKey(
            `${prefix}-key`,
            keyAlgorithm,
            // A key has no property of its own to change. Request and certificate follow it.
            { parent: this, replacementTrigger: args.rotation },
        );
        const request = new tls.CertRequest(
            `${prefix}-request`,
            {
                privateKeyPem: key.privateKeyPem,
                subject: subjectOf(args),
                dnsNames: [...args.dnsNames],
                ipAddresses: args.ipAddresses,
            },
            { parent: this },
        );
        const certificate = new tls.LocallySignedCert(
            `${prefix}-certificate`,
            {
                certRequestPem: request.certRequestPem,
                caCertPem: this.signer.certificate.certPem,
                caPrivateKeyPem: this.signer.key.privateKeyPem,
                allowedUses: allowedUses(args.usages),
                validityPeriodHours: args.lifetimeDays * hoursPerDay,
                earlyRenewalHours: args.earlyRenewalDays * hoursPerDay,
            },
            { parent: this },
        );
        this.remember(prefix, certificate.validityEndTime, args.earlyRenewalDays * hoursPerDay);
        return {
            certPem: certificate.certPem,
            keyPem: pulumi.secret(key.privateKeyPem),
            expires: certificate.validityEndTime,
        };
    }

    private makeGeneration(generation: number, commonName: string, lifetimeDays: number): Generation {
        const prefix = `${this.label}-generation-${generation}`;
        const key = new tls.PrivateKey(`${prefix}-key`, keyAlgorithm, { parent: this });
        const earlyRenewalHours = Math.floor((lifetimeDays * hoursPerDay) / 10);
        const certificate = new tls.SelfSignedCert(
            `${prefix}-certificate`,
            {
                privateKeyPem: key.privateKeyPem,
                // Each generation has a name of its own: with one name for two keys, verifiers have to try.
                subject: { commonName: `${commonName} G${generation}` },
                isCaCertificate: true,
                // It signs leaves alone: whoever gets hold of one of those keys cannot make a CA of it.
                maxPathLength: 0,
                allowedUses: ["cert_signing", "crl_signing", "digital_signature"],
                validityPeriodHours: lifetimeDays * hoursPerDay,
                earlyRenewalHours,
            },
            { parent: this },
        );
        this.remember(prefix, certificate.validityEndTime, earlyRenewalHours);
        return { key, certificate };
    }

    private remember(name: string, expires: pulumi.Output<string>, earlyRenewalHours: number): void {
        this.issued.push({ name, expires, earlyRenewalHours });
    }
}

/** One key of a CA and its certificate. */
interface Generation {
    key: tls.PrivateKey;
    certificate: tls.SelfSignedCert;
}

function subjectOf({ commonName, organization }: CertificateArgs) {
    return {
        ...(commonName !== undefined && { commonName }),
        ...(organization !== undefined && { organization }),
    };
}

/** In a fixed order, so that the order of the argument is no change. */
function allowedUses(usages: readonly CertificateUsage[]): string[] {
    const extended = (["server", "client"] as const).filter((usage) => usages.includes(usage));
    return ["digital_signature", ...extended.map((usage) => `${usage}_auth`)];
}

function bundle(certificates: string[]): string {
    return certificates.map((pem) => `${pem.trimEnd()}\n`).join("");
}

function certificateProblems(args: CertificateArgs, caLifetimeDays: number): ArgumentProblem[] {
    const { dnsNames, ipAddresses = [], usages, lifetimeDays, earlyRenewalDays } = args;
    const problems = [
        ...(args.commonName === undefined && args.organization !== undefined
            ? nameProblems("organization", args.organization, longestName)
            : nameProblems("commonName", args.commonName ?? "", longestName)),
        ...dnsNames.flatMap((each, index) => emptinessProblem(`dnsNames[${index}]`, each)),
        ...countProblem("lifetimeDays", lifetimeDays),
        ...countProblem("earlyRenewalDays", earlyRenewalDays),
        ...countProblem("rotation", args.rotation),
    ];
    if (usages.length === 0) {
        problems.push({ propertyPath: "usages", reason: `must have "server", "client" or both` });
    }
    if (
        usages.includes("server") &&
        dnsNames.length === 0 &&
        Array.isArray(ipAddresses) &&
        ipAddresses.length === 0
    ) {
        problems.push({ propertyPath: "dnsNames", reason: "must have a name by which the server is called" });
    }
    if (lifetimeDays > caLifetimeDays) {
        const reason = `must not be longer than its CA's ${caLifetimeDays} days, but is ${lifetimeDays}`;
        problems.push({ propertyPath: "lifetimeDays", reason });
    }
    if (lifetimeDays >= 1 && earlyRenewalDays >= lifetimeDays) {
        const reason =
            `must be shorter than lifetimeDays (${lifetimeDays}), but is ${earlyRenewalDays}: ` +
            "every update would renew the certificate";
        problems.push({ propertyPath: "earlyRenewalDays", reason });
    }
    return problems;
}

function nameProblems(propertyPath: string, value: string, longest: number): ArgumentProblem[] {
    return value.length > longest
        ? [{ propertyPath, reason: `must have at most ${longest} characters, but has ${value.length}` }]
        : emptinessProblem(propertyPath, value);
}
