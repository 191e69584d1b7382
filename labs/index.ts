import type { Config } from "../config";
import type { Lab } from "./lab";
import { NomadLab } from "./nomad";
import { RoutedLab } from "./routed";
import { StickyLab } from "./sticky";
import { TemplateLab } from "./template";

/** The lab that the stack selects. */
export function createLab(config: Config): Lab {
    switch (config.lab) {
        case "nomad":
            return new NomadLab("nomad", { config });
        case "routed":
            return new RoutedLab("routed", { config });
        case "sticky":
            return new StickyLab("sticky", { config });
        case "template":
            return new TemplateLab("template", { config });
    }
}
