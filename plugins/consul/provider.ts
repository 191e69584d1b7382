import { boolean, string } from "../lib";
import { tlsSettings } from "../lib/tls-settings";
import { ConsulClient } from "./client";
import { configEntry } from "./config-entry";
import { node } from "./node";
import { service } from "./service";

import type { ProviderDefinition } from "../lib";

export const consulProvider: ProviderDefinition<ConsulClient> = {
    name: "consul",
    version: "3.15.1",
    config: {
        address: string(),
        scheme: string({ oneOf: ["http", "https"] }),
        datacenter: string(),
        token: string({ secret: true }),
        ...tlsSettings,
        insecureHttps: boolean(),
    },
    configure: (config) => new ConsulClient(config),
    resources: {
        "consul:index/configEntry:ConfigEntry": configEntry,
        "consul:index/node:Node": node,
        "consul:index/service:Service": service,
    },
};
