import { boolean, hasUnknown, resource, string, type Failure } from "../lib";
import {
    certificateInputs,
    certificateOutputs,
    certify,
    renewal,
    type CertificateInputs,
    type CertificateOutputs,
} from "./certificate";
import {
    alternativeNameProperties,
    distinguishedName,
    generalNames,
    subjectProperty,
    type AlternativeNames,
    type Subject,
} from "./names";
import { readPrivateKey, refuses, type Algorithm } from "./pem";
import { publicKeyInfo } from "./x509";

interface Inputs extends CertificateInputs, AlternativeNames {
    privateKeyPem: string;
    setAuthorityKeyId: boolean;
    subject?: Subject;
}

interface Outputs extends CertificateOutputs {
    keyAlgorithm: Algorithm;
}

export const selfSignedCert = resource<object, Inputs, Inputs & Outputs>({
    ...renewal,
    inputs: {
        ...certificateInputs,
        ...alternativeNameProperties,
        privateKeyPem: string({
            required: true,
            secret: true,
            replace: true,
            validate: refuses(readPrivateKey),
        }),
        setAuthorityKeyId: boolean({ default: false, replace: true }),
        subject: subjectProperty,
    },
    outputs: { ...certificateOutputs, keyAlgorithm: string() },
    check: (_context, inputs) => {
        const failures: Failure[] = [];
        if (
            inputs.isCaCertificate === true &&
            !hasUnknown(inputs.subject) &&
            distinguishedName(inputs.subject).length === 0
        ) {
            failures.push({
                property: "subject",
                reason: '"subject" of the certificate of a CA needs at least one name, e.g. commonName',
            });
        }
        if (
            inputs.setAuthorityKeyId === true &&
            inputs.setSubjectKeyId === false &&
            inputs.isCaCertificate === false
        ) {
            failures.push({
                property: "setAuthorityKeyId",
                reason: '"setAuthorityKeyId" needs a subject key identifier: set "setSubjectKeyId" as well',
            });
        }
        return failures;
    },
    create: async (_context, inputs) => {
        const key = readPrivateKey(inputs.privateKeyPem);
        const request = {
            subject: distinguishedName(inputs.subject),
            alternativeNames: generalNames(inputs),
            publicKey: publicKeyInfo(key),
        };
        const { id, outputs } = certify(inputs, request, key, undefined, inputs.setAuthorityKeyId);
        return { id, outputs: { ...outputs, keyAlgorithm: key.algorithm } };
    },
});
