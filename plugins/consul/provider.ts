import { boolean, string } from "../lib";
import { ConsulClient } from "./client";
import { configEntry } from "./config-entry";

import type { ProviderDefinition } from "../lib";

export const consulProvider: ProviderDefinition<ConsulClient> = {
    name: "consul",
    version: "3.15.1",
    config: {
        address: string(),
        scheme: string({ oneOf: ["http", "https"] }),
        datacenter: string(),
        token: string({ secret: true }),
        caFile: string(),
        caPem: string(),
        certFile: string(),
        certPem: string(),
        keyFile: string(),
        keyPem: string({ secret: true }),
        insecureHttps: boolean(),
    },
    configure: (config) => new ConsulClient(config),
    resources: {
        "consul:index/configEntry:ConfigEntry": configEntry,
    },
};
