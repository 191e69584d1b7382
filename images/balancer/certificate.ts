import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";

import { messageOf } from "./messages";

/** What people want to know of a certificate. Times are ISO 8601. */
export interface CertificateInfo {
    subject: string;
    issuer: string;
    /** The names that it is for, as in the certificate: `DNS:example.org, DNS:www.example.org`. */
    names: string;
    serial: string;
    notBefore: string;
    notAfter: string;
}

export interface CheckedCertificate {
    /** The chain, leaf first, and the key; no blank line, nothing else: as HAProxy takes it on its command socket. */
    pem: string;
    info: CertificateInfo;
}

export interface CertificateExpectations {
    /** A domain that the certificate has to be for. Default: any. */
    domain?: string;
    /** The moment at which it has to be valid. Default: none, an expired one passes. */
    at?: Date;
}

/**
 * Reads a certificate chain and its private key from one PEM text, in any order. Returns the certificate, or every
 * reason why it cannot be used as a phrase that continues "the certificate …".
 */
export function checkCertificate(
    text: string,
    expectations: CertificateExpectations = {},
): CheckedCertificate | { problems: string[] } {
    const blocks = pemBlocks(text);
    const chain = blocks.filter(({ label }) => label === "CERTIFICATE").map(({ body }) => body);
    const keys = blocks.filter(({ label }) => label.endsWith("PRIVATE KEY"));
    const problems: string[] = [];
    if (chain.length === 0) {
        problems.push('has no "BEGIN CERTIFICATE" block; give the chain, leaf first, as PEM');
    }
    if (keys.length !== 1) {
        problems.push(
            keys.length === 0
                ? 'has no "BEGIN PRIVATE KEY" block; add the private key to the PEM'
                : `has ${keys.length} private keys; give the one of the leaf`,
        );
    }
    const leaf = chain[0];
    const key = keys[0];
    if (problems.length > 0 || leaf === undefined || key === undefined) {
        return { problems };
    }
    let certificates: X509Certificate[];
    try {
        certificates = chain.map((block) => new X509Certificate(block));
    } catch (error) {
        return { problems: [`cannot be read: ${messageOf(error)}`] };
    }
    let privateKey: KeyObject;
    try {
        privateKey = createPrivateKey(key.body);
    } catch (error) {
        const encrypted = /ENCRYPTED/.test(key.body);
        return {
            problems: [
                encrypted
                    ? "has an encrypted private key; remove its passphrase (openssl pkey)"
                    : `has a private key that cannot be read: ${messageOf(error)}`,
            ],
        };
    }
    const certificate = certificates[0]!;
    if (!certificate.checkPrivateKey(privateKey)) {
        problems.push(
            certificates.some((other) => other.checkPrivateKey(privateKey))
                ? "is not the first of its chain; put the leaf before the intermediates"
                : "does not belong to the private key; give the key that it was issued for",
        );
    }
    const info = describeCertificate(certificate);
    const { at, domain } = expectations;
    if (at !== undefined && new Date(info.notAfter) <= at) {
        problems.push(`has expired on ${info.notAfter}; renew it`);
    }
    if (at !== undefined && new Date(info.notBefore) > at) {
        problems.push(`is not valid before ${info.notBefore}; check the clock, or wait`);
    }
    if (domain !== undefined && certificate.checkHost(domain) === undefined) {
        problems.push(`is not for ${domain} but for ${info.names || info.subject}`);
    }
    return problems.length > 0
        ? { problems }
        : { pem: [...chain, key.body].map((block) => `${block}\n`).join(""), info };
}

function describeCertificate(certificate: X509Certificate): CertificateInfo {
    return {
        subject: oneLine(certificate.subject),
        issuer: oneLine(certificate.issuer),
        names: certificate.subjectAltName ?? "",
        serial: certificate.serialNumber,
        notBefore: new Date(certificate.validFrom).toISOString(),
        notAfter: new Date(certificate.validTo).toISOString(),
    };
}

/** The PEM blocks of a text, without what stands between them and without blank lines. */
export function pemBlocks(text: string): { label: string; body: string }[] {
    return [...text.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g)].map((match) => ({
        label: match[1]!,
        body: match[0]
            .split(/\r?\n/)
            .map((line) => line.trim())
            .filter((line) => line !== "")
            .join("\n"),
    }));
}

/** Node writes a distinguished name with a line for each part; a certificate of a public CA may have none. */
function oneLine(name: string | undefined): string {
    return (name ?? "").trim().split("\n").join(", ");
}
