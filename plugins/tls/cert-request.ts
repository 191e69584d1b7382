import { createHash } from "node:crypto";

import { resource, string } from "../lib";
import {
    alternativeNameProperties,
    distinguishedName,
    generalNames,
    subjectProperty,
    type AlternativeNames,
    type Subject,
} from "./names";
import { readPrivateKey, refuses, type Algorithm } from "./pem";
import { makeRequest } from "./x509";

interface Inputs extends AlternativeNames {
    privateKeyPem: string;
    subject?: Subject;
}

interface Outputs {
    certRequestPem: string;
    keyAlgorithm: Algorithm;
}

export const certRequest = resource<object, Inputs, Inputs & Outputs>({
    inputs: {
        ...alternativeNameProperties,
        privateKeyPem: string({
            required: true,
            secret: true,
            replace: true,
            validate: refuses(readPrivateKey),
        }),
        subject: subjectProperty,
    },
    outputs: { certRequestPem: string(), keyAlgorithm: string() },
    create: async (_context, inputs) => {
        const key = readPrivateKey(inputs.privateKeyPem);
        const { pem, der } = makeRequest(distinguishedName(inputs.subject), generalNames(inputs), key);
        return {
            id: createHash("sha1").update(der).digest("hex"),
            outputs: { certRequestPem: pem, keyAlgorithm: key.algorithm },
        };
    },
});
