import type { Config } from "../config";
import { EtcdLab } from "./etcd";
import type { Lab } from "./lab";
import type { LastUpdate } from "./last-update";
import { NomadLab } from "./nomad";
import { RoutedLab } from "./routed";
import { StickyLab } from "./sticky";
import { TemplateLab } from "./template";

/** The lab that the stack selects. `last`: what the update before has left. */
export function createLab(config: Config, last: LastUpdate): Lab {
    switch (config.lab) {
        case "nomad":
            return new NomadLab("nomad", { config });
        case "routed":
            return new RoutedLab("routed", { config, last: last.rotations });
        case "sticky":
            return new StickyLab("sticky", { config });
        case "template":
            return new TemplateLab("template", { config });
        case "etcd":
            return new EtcdLab("etcd", { config });
    }
}
