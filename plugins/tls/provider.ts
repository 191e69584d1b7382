import { privateKey } from "./private-key";

import type { ProviderDefinition } from "../lib";

export const tlsProvider: ProviderDefinition<object> = {
    name: "tls",
    version: "5.6.1",
    config: {},
    configure: () => ({}),
    resources: {
        "tls:index/privateKey:PrivateKey": privateKey,
    },
};
