import { certRequest } from "./cert-request";
import { locallySignedCert } from "./locally-signed-cert";
import { privateKey } from "./private-key";
import { selfSignedCert } from "./self-signed-cert";

import type { ProviderDefinition } from "../lib";

export const tlsProvider: ProviderDefinition<object> = {
    name: "tls",
    version: "5.6.1",
    config: {},
    configure: () => ({}),
    resources: {
        "tls:index/certRequest:CertRequest": certRequest,
        "tls:index/locallySignedCert:LocallySignedCert": locallySignedCert,
        "tls:index/privateKey:PrivateKey": privateKey,
        "tls:index/selfSignedCert:SelfSignedCert": selfSignedCert,
    },
};
