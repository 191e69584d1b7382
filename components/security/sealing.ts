import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";

/**
 * A key pair for what machines may write and only operators read: machines get the certificate, and encrypt for it
 * (`openssl cms`); the private key stays in Pulumi's state. Nothing replaces the key: what was encrypted before stays
 * readable as long as the stack's state is there.
 */
export class SealingKey extends pulumi.ComponentResource {
    /** Public, PEM. Nobody verifies it, so its end means nothing. */
    readonly certificatePem: pulumi.Output<string>;
    /** Secret, PEM (SEC 1). */
    readonly privateKeyPem: pulumi.Output<string>;

    /** @param args.commonName whom the certificate names, at most 64 characters */
    constructor(name: string, args: { commonName: string }, opts?: pulumi.ComponentResourceOptions) {
        super("gatehouse:security:SealingKey", name, {}, opts);
        const key = new tls.PrivateKey(
            `${name}-key`,
            { algorithm: "ECDSA", ecdsaCurve: "P256" },
            { parent: this },
        );
        this.certificatePem = new tls.SelfSignedCert(
            `${name}-certificate`,
            {
                privateKeyPem: key.privateKeyPem,
                subject: { commonName: args.commonName },
                allowedUses: ["key_agreement"],
                validityPeriodHours: 100 * 365 * 24,
            },
            { parent: this },
        ).certPem;
        this.privateKeyPem = pulumi.secret(key.privateKeyPem);
        this.registerOutputs({ certificatePem: this.certificatePem });
    }
}
