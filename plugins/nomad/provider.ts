import { NomadClient } from "./client";
import { job } from "./job";
import { nomadSettings } from "./settings";
import { variable } from "./variable";

import type { ProviderDefinition } from "../lib";

export const nomadProvider: ProviderDefinition<NomadClient> = {
    name: "nomad",
    version: "2.5.3",
    config: nomadSettings,
    configure: (config) => new NomadClient(config),
    resources: {
        "nomad:index/job:Job": job,
        "nomad:index/variable:Variable": variable,
    },
};
