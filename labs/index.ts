import type { Config } from "../config";
import type { Lab } from "./lab";
import { NomadLab } from "./nomad";

/** The lab that the stack selects. */
export function createLab(config: Config): Lab {
    switch (config.lab) {
        case "nomad":
            return new NomadLab("nomad", { config });
    }
}
