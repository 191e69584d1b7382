import { UserError, describe } from "../toolchain/errors";
import { clusterOf } from "./stack";
import { restore } from "./restore";
import { take } from "./take";

/**
 * `make snapshot` and `make restore`: `npx tsx snapshots/main.ts take|restore`, with the variables STACK, FROM, INTO and
 * CONFIRM.
 */
async function main([command]: string[]): Promise<void> {
    const { STACK: stack = "dev", FROM: from, INTO: into, CONFIRM: confirmed } = process.env;
    const options = { from: from || undefined, into: into || undefined, confirmed };
    if (command === "take") {
        await take(clusterOf(stack));
    } else if (command === "restore") {
        await restore(clusterOf(stack), options);
    } else {
        throw new UserError(`there is no command ${command ?? ""}`, "use take or restore");
    }
}

main(process.argv.slice(2)).then(
    // Connections and agents that linger are not waited for.
    () => process.exit(),
    (error: unknown) => {
        console.error(`\n${describe(error)}`);
        process.exit(1);
    },
);
