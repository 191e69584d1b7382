import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";

/** The first PEM block of a text; what stands around it is ignored, as Go's decoder does. */
function firstBlock(text: string): { label: string; der: Buffer; pem: string } | undefined {
    const match = /-----BEGIN ([A-Z0-9 ]+)-----\r?\n([\s\S]*?)-----END \1-----/.exec(text);
    return match
        ? { label: match[1]!, der: Buffer.from(match[2]!, "base64"), pem: `${match[0]}\n` }
        : undefined;
}

/**
 * The DER in the first PEM block of a text.
 * @throws Error whose message completes `"<property>" …`; it never repeats what the text holds.
 */
export function readPem(text: string, label: string): Buffer {
    const block = firstBlock(text);
    if (!block) {
        throw new Error(`must be PEM that begins with "-----BEGIN ${label}-----"`);
    }
    if (block.label !== label) {
        throw new Error(`must be PEM of a ${label}, not of a ${block.label}`);
    }
    return block.der;
}

export function writePem(label: string, der: ArrayBuffer): string {
    const lines = Buffer.from(der)
        .toString("base64")
        .replace(/.{64}(?=.)/g, "$&\n");
    return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
}

export type Algorithm = "RSA" | "ECDSA" | "ED25519";

/** Node's names of the curves, by the names that the properties use. */
export const curves = {
    P224: "secp224r1",
    P256: "prime256v1",
    P384: "secp384r1",
    P521: "secp521r1",
} as const;

/** A private key and what is known about it. */
export interface PrivateKey {
    key: KeyObject;
    publicKey: KeyObject;
    algorithm: Algorithm;
    /** Of ECDSA keys only. */
    curve?: keyof typeof curves;
}

const keyLabels = ["RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY"];

/**
 * Reads a private key: PKCS #1, SEC 1 or PKCS #8, not encrypted.
 * @throws Error whose message completes `"<property>" …`; it never repeats what the text holds.
 */
export function readPrivateKey(text: string): PrivateKey {
    // OpenSSL's parameters of a curve may stand before the key.
    const block = firstBlock(
        text.replace(/-----BEGIN EC PARAMETERS-----[^-]*-----END EC PARAMETERS-----/, ""),
    );
    if (!block) {
        throw new Error("must be a private key in PEM");
    }
    if (!keyLabels.includes(block.label)) {
        throw new Error(`must be a private key in PEM (${keyLabels.join(", ")}), not ${block.label}`);
    }
    let key: KeyObject;
    try {
        key = createPrivateKey(block.pem);
    } catch {
        throw new Error(`is no ${block.label} that can be read, or it is encrypted`);
    }
    const publicKey = createPublicKey(key);
    switch (key.asymmetricKeyType) {
        case "rsa":
            return { key, publicKey, algorithm: "RSA" };
        case "ed25519":
            return { key, publicKey, algorithm: "ED25519" };
        case "ec": {
            const named = key.asymmetricKeyDetails?.namedCurve;
            const curve = Object.entries(curves).find(([, name]) => name === named)?.[0];
            if (curve) {
                return { key, publicKey, algorithm: "ECDSA", curve: curve as keyof typeof curves };
            }
        }
    }
    throw new Error(`must be an RSA, ED25519 or ECDSA key, the latter on ${Object.keys(curves).join(", ")}`);
}

/** A property's `validate` from a reader that throws the reason. */
export function refuses(read: (text: string) => unknown): (text: string) => string | undefined {
    return (text) => {
        try {
            read(text);
            return undefined;
        } catch (error) {
            return error instanceof Error ? error.message : String(error);
        }
    };
}
