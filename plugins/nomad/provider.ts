import { boolean, string } from "../lib";
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
        caFile: string(),
        caPem: string(),
        certFile: string(),
        certPem: string(),
        keyFile: string(),
        keyPem: string({ secret: true }),
        skipVerify: boolean(),
    },
    configure: (config) => new NomadClient(config),
    resources: {
        "nomad:index/job:Job": job,
        "nomad:index/variable:Variable": variable,
    },
};
