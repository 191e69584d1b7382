import { createHash, generateKeyPair, type KeyObject } from "node:crypto";
import { promisify } from "node:util";

import { integer, resource, string } from "../lib";
import { curves, type Algorithm } from "./pem";

interface Inputs {
    algorithm: Algorithm;
    ecdsaCurve: keyof typeof curves;
    rsaBits: number;
}

interface Outputs {
    privateKeyOpenssh: string;
    privateKeyPem: string;
    privateKeyPemPkcs8: string;
    publicKeyFingerprintMd5: string;
    publicKeyFingerprintSha256: string;
    publicKeyOpenssh: string;
    publicKeyPem: string;
}

export const privateKey = resource<object, Inputs, Inputs & Outputs>({
    inputs: {
        algorithm: string({ required: true, replace: true, oneOf: ["RSA", "ECDSA", "ED25519"] }),
        ecdsaCurve: string({ default: "P224", replace: true, oneOf: Object.keys(curves) }),
        rsaBits: integer({ default: 2048, replace: true, validate: refuseBits }),
    },
    outputs: {
        privateKeyOpenssh: string({ secret: true }),
        privateKeyPem: string({ secret: true }),
        privateKeyPemPkcs8: string({ secret: true }),
        publicKeyFingerprintMd5: string(),
        publicKeyFingerprintSha256: string(),
        publicKeyOpenssh: string(),
        publicKeyPem: string(),
    },
    create: async (_context, inputs) => {
        const pair = await generate(inputs);
        const der = pair.publicKey.export({ type: "spki", format: "der" });
        return { id: createHash("sha1").update(der).digest("hex"), outputs: encode(pair, inputs) };
    },
});

function refuseBits(bits: number): string | undefined {
    return bits < 1024 || bits > 16_384 ? "must be between 1024 and 16384" : undefined;
}

interface KeyPair {
    privateKey: KeyObject;
    publicKey: KeyObject;
}

function generate({ algorithm, ecdsaCurve, rsaBits }: Inputs): Promise<KeyPair> {
    const generateAsync = promisify(generateKeyPair);
    switch (algorithm) {
        case "RSA":
            return generateAsync("rsa", { modulusLength: rsaBits });
        case "ECDSA":
            return generateAsync("ec", { namedCurve: curves[ecdsaCurve] });
        case "ED25519":
            return generateAsync("ed25519");
    }
}

/** PKCS #1 and SEC 1 where they exist, as the official provider. */
const pemTypes = { RSA: "pkcs1", ECDSA: "sec1", ED25519: "pkcs8" } as const;

function encode({ privateKey: key, publicKey }: KeyPair, inputs: Inputs): Outputs {
    const pkcs8 = text(key.export({ type: "pkcs8", format: "pem" }));
    return {
        privateKeyPem: text(key.export({ type: pemTypes[inputs.algorithm] as "pkcs8", format: "pem" })),
        privateKeyPemPkcs8: pkcs8,
        publicKeyPem: text(publicKey.export({ type: "spki", format: "pem" })),
        ...openssh(pkcs8, inputs),
    };
}

/** OpenSSH knows no P-224 keys: empty, as in the official provider. */
function openssh(
    pkcs8: string,
    { algorithm, ecdsaCurve }: Inputs,
): Omit<Outputs, "privateKeyPem" | "privateKeyPemPkcs8" | "publicKeyPem"> {
    if (algorithm === "ECDSA" && ecdsaCurve === "P224") {
        return {
            privateKeyOpenssh: "",
            publicKeyFingerprintMd5: "",
            publicKeyFingerprintSha256: "",
            publicKeyOpenssh: "",
        };
    }
    // Loaded when needed: it takes longer to start than everything else.
    // eslint-disable-next-line @typescript-eslint/no-require-imports
    const sshpk = require("sshpk") as typeof import("sshpk");
    const key = sshpk.parsePrivateKey(pkcs8, "pem");
    key.comment = "";
    const blob = key.toPublic().toBuffer("rfc4253", {});
    const name = blob.subarray(4, 4 + blob.readUInt32BE(0)).toString("ascii");
    return {
        privateKeyOpenssh: key.toBuffer("ssh-private", {}).toString("ascii"),
        publicKeyOpenssh: `${name} ${blob.toString("base64")}\n`,
        publicKeyFingerprintMd5: createHash("md5")
            .update(blob)
            .digest("hex")
            .replace(/..(?=.)/g, "$&:"),
        publicKeyFingerprintSha256: `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`,
    };
}

function text(exported: string | Buffer): string {
    return exported.toString();
}
