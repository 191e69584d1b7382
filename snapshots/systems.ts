import { UserError } from "../toolchain/errors";
import { consul } from "./consul";
import { etcd } from "./etcd";
import { nomad } from "./nomad";
import type { System } from "./system";

const all: readonly System[] = [consul, nomad, etcd];

/** The systems that a stack takes snapshots of, by their names. */
export function systemsNamed(names: readonly string[]): System[] {
    return names.map((name) => {
        const found = all.find((each) => each.name === name);
        if (found === undefined) {
            throw new UserError(
                `the stack takes snapshots of ${name}, which this checkout knows nothing of`,
                `use the checkout that made the stack; this one knows ${all.map((each) => each.name).join(", ")}`,
            );
        }
        return found;
    });
}
