import { createHash, randomBytes, sign } from "node:crypto";

import { CertificationRequest, CertificationRequestInfo, Attributes } from "@peculiar/asn1-csr";
import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import {
    AlgorithmIdentifier,
    Attribute,
    AuthorityKeyIdentifier,
    BasicConstraints,
    Certificate,
    ExtendedKeyUsage,
    Extension,
    Extensions,
    KeyIdentifier,
    KeyUsage,
    SubjectAlternativeName,
    SubjectKeyIdentifier,
    SubjectPublicKeyInfo,
    TBSCertificate,
    Validity,
    Version,
    type GeneralName,
    type Name,
} from "@peculiar/asn1-x509";

import { keyUsageOf, purposesOf } from "./uses";
import { readPem, writePem, type PrivateKey } from "./pem";

const ids = {
    authorityKeyIdentifier: "2.5.29.35",
    basicConstraints: "2.5.29.19",
    extendedKeyUsage: "2.5.29.37",
    extensionRequest: "1.2.840.113549.1.9.14",
    keyUsage: "2.5.29.15",
    subjectAlternativeName: "2.5.29.17",
    subjectKeyIdentifier: "2.5.29.14",
};

/** What is to be certified. */
export interface Template {
    subject: Name;
    alternativeNames: GeneralName[];
    publicKey: SubjectPublicKeyInfo;
    /** Values of `allowedUses`. */
    uses: string[];
    isCa: boolean;
    /** Certificates of CAs that may follow a CA's; `undefined` or negative: any number. */
    maxPathLength?: number;
    subjectKeyId?: Buffer;
    authorityKeyId?: Buffer;
    notBefore: Date;
    notAfter: Date;
}

/** What a request asks for. */
export interface Request {
    subject: Name;
    alternativeNames: GeneralName[];
    publicKey: SubjectPublicKeyInfo;
}

/** A certificate as far as one that it issues needs it. */
export interface Authority {
    subject: Name;
    subjectKeyId?: Buffer;
}

/** Signs a certificate of version 3 with a random serial number of 128 bits. */
export function issueCertificate(
    template: Template,
    issuer: Name,
    key: PrivateKey,
): { pem: string; der: Buffer; serial: bigint } {
    // The top bit of a positive integer is 0: one byte more than the random ones. Zero is no serial number.
    const serial = BigInt(`0x${randomBytes(16).toString("hex")}`) || 1n;
    const signatureAlgorithm = signatureAlgorithmOf(key);
    const tbsCertificate = new TBSCertificate({
        version: Version.v3,
        serialNumber: integer(serial),
        signature: signatureAlgorithm,
        issuer,
        validity: new Validity({
            notBefore: seconds(template.notBefore),
            notAfter: seconds(template.notAfter),
        }),
        subject: template.subject,
        subjectPublicKeyInfo: template.publicKey,
        extensions: new Extensions(extensionsOf(template)),
    });
    const der = AsnConvert.serialize(
        new Certificate({
            tbsCertificate,
            signatureAlgorithm,
            signatureValue: signed(AsnConvert.serialize(tbsCertificate), key),
        }),
    );
    return { pem: writePem("CERTIFICATE", der), der: Buffer.from(der), serial };
}

/** Signs a request (PKCS #10). */
export function makeRequest(
    subject: Name,
    alternativeNames: GeneralName[],
    key: PrivateKey,
): { pem: string; der: Buffer } {
    const extensions = new Extensions(
        alternativeNames.length > 0 ? [alternativeNameExtension(alternativeNames, false)] : [],
    );
    const certificationRequestInfo = new CertificationRequestInfo({
        version: 0,
        subject,
        subjectPKInfo: publicKeyInfo(key),
        attributes: new Attributes(
            extensions.length > 0
                ? [new Attribute({ type: ids.extensionRequest, values: [AsnConvert.serialize(extensions)] })]
                : [],
        ),
    });
    const der = AsnConvert.serialize(
        new CertificationRequest({
            certificationRequestInfo,
            signatureAlgorithm: signatureAlgorithmOf(key),
            signature: signed(AsnConvert.serialize(certificationRequestInfo), key),
        }),
    );
    return { pem: writePem("CERTIFICATE REQUEST", der), der: Buffer.from(der) };
}

/** @throws Error whose message completes `"<property>" …`. */
export function readRequest(text: string): Request {
    const der = readPem(text, "CERTIFICATE REQUEST");
    try {
        const { subject, subjectPKInfo, attributes } = AsnConvert.parse(
            der,
            CertificationRequest,
        ).certificationRequestInfo;
        // `attributes` may be missing, whatever its type says.
        const requested = (attributes as Attributes | undefined)?.find(
            ({ type }) => type === ids.extensionRequest,
        )?.values[0];
        const extensions = requested ? AsnConvert.parse(requested, Extensions) : [];
        const names = extensions.find(({ extnID }) => extnID === ids.subjectAlternativeName);
        return {
            subject,
            publicKey: subjectPKInfo,
            alternativeNames: names ? [...AsnConvert.parse(names.extnValue, SubjectAlternativeName)] : [],
        };
    } catch {
        throw new Error("is no certificate request that can be read");
    }
}

/** @throws Error whose message completes `"<property>" …`. */
export function readAuthority(text: string): Authority {
    const der = readPem(text, "CERTIFICATE");
    try {
        const { subject, extensions } = AsnConvert.parse(der, Certificate).tbsCertificate;
        const keyId = extensions?.find(({ extnID }) => extnID === ids.subjectKeyIdentifier);
        return {
            subject,
            ...(keyId && {
                subjectKeyId: Buffer.from(AsnConvert.parse(keyId.extnValue, SubjectKeyIdentifier).buffer),
            }),
        };
    } catch {
        throw new Error("is no certificate that can be read");
    }
}

export function publicKeyInfo(key: PrivateKey): SubjectPublicKeyInfo {
    return AsnConvert.parse(key.publicKey.export({ type: "spki", format: "der" }), SubjectPublicKeyInfo);
}

/** The SHA-1 of the public key. Of an Ed25519 key, the official plugin hashes the octet string that holds it. */
export function keyIdentifier(publicKey: SubjectPublicKeyInfo): Buffer {
    const bits = Buffer.from(publicKey.subjectPublicKey);
    const hashed =
        publicKey.algorithm.algorithm === ed25519
            ? Buffer.concat([Buffer.from([0x04, bits.length]), bits])
            : bits;
    return createHash("sha1").update(hashed).digest();
}

export function sameName(a: Name, b: Name): boolean {
    return Buffer.from(AsnConvert.serialize(a)).equals(Buffer.from(AsnConvert.serialize(b)));
}

/** In the order in which Go writes them. */
function extensionsOf(template: Template): Extension[] {
    const usage = keyUsageOf(template.uses);
    const purposes = purposesOf(template.uses);
    const { isCa, maxPathLength, subjectKeyId, authorityKeyId, alternativeNames } = template;
    const extensions: Extension[] = [];
    if (usage !== 0) {
        extensions.push(extension(ids.keyUsage, true, new KeyUsage(usage)));
    }
    if (purposes.length > 0) {
        extensions.push(extension(ids.extendedKeyUsage, false, new ExtendedKeyUsage(purposes)));
    }
    extensions.push(
        extension(
            ids.basicConstraints,
            true,
            new BasicConstraints({
                cA: isCa,
                ...(isCa &&
                    maxPathLength !== undefined &&
                    maxPathLength >= 0 && { pathLenConstraint: maxPathLength }),
            }),
        ),
    );
    if (subjectKeyId) {
        extensions.push(extension(ids.subjectKeyIdentifier, false, new SubjectKeyIdentifier(subjectKeyId)));
    }
    if (authorityKeyId) {
        extensions.push(
            extension(
                ids.authorityKeyIdentifier,
                false,
                new AuthorityKeyIdentifier({ keyIdentifier: new KeyIdentifier(authorityKeyId) }),
            ),
        );
    }
    if (alternativeNames.length > 0) {
        // Without a subject they are all that says whose certificate it is.
        extensions.push(alternativeNameExtension(alternativeNames, template.subject.length === 0));
    }
    return extensions;
}

function alternativeNameExtension(names: GeneralName[], critical: boolean): Extension {
    return extension(ids.subjectAlternativeName, critical, new SubjectAlternativeName(names));
}

function extension(extnID: string, critical: boolean, value: object): Extension {
    return new Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(value)) });
}

const ed25519 = "1.3.101.112";

/** The hash follows the strength of the key, as in Go. */
const digests = { P224: "sha256", P256: "sha256", P384: "sha384", P521: "sha512" } as const;
const ecdsaWith = {
    sha256: "1.2.840.10045.4.3.2",
    sha384: "1.2.840.10045.4.3.3",
    sha512: "1.2.840.10045.4.3.4",
} as const;
const rsaWithSha256 = "1.2.840.113549.1.1.11";

function signatureAlgorithmOf({ algorithm, curve }: PrivateKey): AlgorithmIdentifier {
    switch (algorithm) {
        case "RSA":
            return new AlgorithmIdentifier({ algorithm: rsaWithSha256, parameters: null });
        case "ECDSA":
            return new AlgorithmIdentifier({ algorithm: ecdsaWith[digests[curve ?? "P256"]] });
        case "ED25519":
            return new AlgorithmIdentifier({ algorithm: ed25519 });
    }
}

function signed(data: ArrayBuffer, { key, algorithm, curve }: PrivateKey): ArrayBuffer {
    const digest = algorithm === "ED25519" ? null : algorithm === "RSA" ? "sha256" : digests[curve ?? "P256"];
    return bytes(sign(digest, Buffer.from(data), key));
}

/** A positive integer in the fewest bytes that keep it positive. */
function integer(value: bigint): ArrayBuffer {
    const hex = value.toString(16);
    const buffer = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
    return bytes(buffer[0]! >= 0x80 ? Buffer.concat([Buffer.from([0]), buffer]) : buffer);
}

/** A buffer of its own: Node's small ones share theirs. */
function bytes(buffer: Buffer): ArrayBuffer {
    return new Uint8Array(buffer).buffer;
}

/** RFC 5280 allows no fractions. */
function seconds(time: Date): Date {
    return new Date(Math.floor(time.getTime() / 1000) * 1000);
}
