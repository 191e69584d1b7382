import { X509Certificate } from "node:crypto";

import { resource, string, type Failure } from "../lib";
import {
    certificateInputs,
    certificateOutputs,
    certify,
    isKnown,
    renewal,
    type CertificateInputs,
    type CertificateOutputs,
} from "./certificate";
import { certifiedNames } from "./names";
import { readPem, readPrivateKey, refuses, type Algorithm } from "./pem";
import { readAuthority, readRequest } from "./x509";

interface Inputs extends CertificateInputs {
    caCertPem: string;
    caPrivateKeyPem: string;
    certRequestPem: string;
}

interface Outputs extends CertificateOutputs {
    caKeyAlgorithm: Algorithm;
}

export const locallySignedCert = resource<object, Inputs, Inputs & Outputs>({
    ...renewal,
    inputs: {
        ...certificateInputs,
        caCertPem: string({ required: true, replace: true, validate: refuses(readAuthority) }),
        caPrivateKeyPem: string({
            required: true,
            secret: true,
            replace: true,
            validate: refuses(readPrivateKey),
        }),
        certRequestPem: string({ required: true, replace: true, validate: refuses(readRequest) }),
    },
    outputs: { ...certificateOutputs, caKeyAlgorithm: string() },
    check: (_context, inputs) => {
        const failures: Failure[] = [];
        if (
            isKnown(inputs.caCertPem) &&
            isKnown(inputs.caPrivateKeyPem) &&
            !authorityCertificate(inputs).checkPrivateKey(readPrivateKey(inputs.caPrivateKeyPem).key)
        ) {
            failures.push({
                property: "caPrivateKeyPem",
                reason: '"caPrivateKeyPem" is not the key of the certificate in "caCertPem"',
            });
        }
        if (
            inputs.isCaCertificate === true &&
            isKnown(inputs.certRequestPem) &&
            readRequest(inputs.certRequestPem).subject.length === 0
        ) {
            failures.push({
                property: "certRequestPem",
                reason: '"certRequestPem" must have a subject with at least one name, for it asks for the certificate of a CA',
            });
        }
        return failures;
    },
    create: async ({ log }, inputs) => {
        if (!authorityCertificate(inputs).ca) {
            log.warn(
                '"caCertPem" is not the certificate of a CA, or its allowedUses lack cert_signing: ' +
                    "what it signs may not be believed",
            );
        }
        const key = readPrivateKey(inputs.caPrivateKeyPem);
        const request = readRequest(inputs.certRequestPem);
        const { id, outputs } = certify(
            inputs,
            { ...request, alternativeNames: certifiedNames(request.alternativeNames) },
            key,
            readAuthority(inputs.caCertPem),
        );
        return { id, outputs: { ...outputs, caKeyAlgorithm: key.algorithm } };
    },
});

function authorityCertificate({ caCertPem }: Inputs): X509Certificate {
    return new X509Certificate(readPem(caCertPem, "CERTIFICATE"));
}
