import { boolean, string } from "../lib";
import { tlsSettings } from "../lib/tls-settings";
import { NomadClient } from "./client";
import { job } from "./job";
import { variable } from "./variable";

import type { ProviderDefinition } from "../lib";

export const nomadProvider: ProviderDefinition<NomadClient> = {
    name: "nomad",
    version: "2.5.3",
    config: {
        address: string(),
        region: string(),
        secretId: string({ secret: true }),
        ...tlsSettings,
        skipVerify: boolean(),
    },
    configure: (config) => new NomadClient(config),
    resources: {
        "nomad:index/job:Job": job,
        "nomad:index/variable:Variable": variable,
    },
};
