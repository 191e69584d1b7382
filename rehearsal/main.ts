import { describe, UserError } from "../toolchain/errors";
import { checkName, settingsOf } from "../toolchain/stackfile";
import { Rehearsal } from "./rehearsal";
import { stepsOf } from "./steps";

/**
 * `make rehearse [STACK=linode] [SPEED=0…1]`: the stack on an emulated Linode, from nothing to working URLs and back to
 * nothing. Needs no account and no token, and cannot reach the real API.
 */
async function main(): Promise<void> {
    const { STACK: stack = "", SPEED: speed = "" } = process.env;
    refuseStack(stack);
    const began = Date.now();
    const say = (text: string): void => console.log(`[${seconds(began).padStart(6)}] ${text}`);
    const opening = Rehearsal.open({
        stack,
        speed: speedFrom(speed),
        show: (text) => process.stdout.write(text),
    });
    endOnInterrupt(opening);
    const rehearsal = await opening;
    try {
        const { url } = rehearsal.emulator;
        say(`the stack ${stack} on an emulated Linode (${url}); nothing outside of this computer is asked`);
        for (const step of stepsOf(stack)) {
            const since = Date.now();
            say(step.title);
            const found = await step.run(rehearsal);
            say(`${step.title}: ${found} (${seconds(since)})`);
        }
    } finally {
        await rehearsal.close();
    }
    say(`rehearsed; ${rehearsal.emulator.log.total} requests to the API`);
}

const seconds = (since: number): string => `${((Date.now() - since) / 1000).toFixed(1)} s`;

function speedFrom(text: string): number {
    const speed = Number(text);
    if (!(speed >= 0 && speed <= 1)) {
        throw new UserError(
            `SPEED=${text} is not a number from 0 to 1`,
            "SPEED=1 rehearses with Linode's real delays, SPEED=0 (default) without any",
        );
    }
    return speed;
}

function refuseStack(stack: string): void {
    checkName(stack);
    const substrate = String(settingsOf(stack)["substrate"] ?? "docker");
    if (substrate !== "linode") {
        throw new UserError(
            `the stack ${stack} is on ${substrate}; only stacks on linode are rehearsed`,
            substrate === "docker"
                ? `"make up STACK=${stack}" costs nothing as it is`
                : "make rehearse STACK=linode",
        );
    }
}

/** On Ctrl-C: removes everything, then ends. A second one ends at once; the next rehearsal removes what is left then. */
function endOnInterrupt(opening: Promise<Rehearsal>): void {
    let open: Rehearsal | undefined;
    opening.then(
        (rehearsal) => (open = rehearsal),
        () => undefined,
    );
    let interrupted: number | undefined;
    const interrupt = (): void => {
        // A terminal's Ctrl-C comes more than once: from the terminal, and from the programs in between.
        if (interrupted !== undefined && Date.now() - interrupted < 1000) {
            return;
        }
        // Nothing has been made before it is open.
        if (interrupted !== undefined || open === undefined) {
            process.exit(130);
        }
        interrupted = Date.now();
        console.error("\ninterrupted; removing everything (once more: leave it to the next rehearsal)");
        void open
            .close()
            .catch((error: unknown) => console.error(error))
            .then(() => process.exit(130));
    };
    process.on("SIGINT", interrupt).on("SIGTERM", interrupt);
}

main().then(
    () => process.exit(0),
    (error: unknown) => {
        console.error(`\n${describe(error)}`);
        process.exit(1);
    },
);
