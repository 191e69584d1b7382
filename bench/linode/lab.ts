import { Rehearsal } from "../../rehearsal/rehearsal";
import { requireEntrance } from "../../rehearsal/steps";
import type { CommandResult } from "../../tests/support/command";
import type { Lab } from "../lifecycle";

/** The stack whose file is rehearsed. */
const stack = "linode";

/** The `linode` stack on the emulated platform. */
export class RehearsedLab implements Lab {
    private open: Rehearsal | undefined;
    private speed = 0;
    private settings: Record<string, unknown> = {};

    readonly stack = {
        must: async (command: string): Promise<CommandResult> => (await this.rehearsal()).must(command),
        startAfresh: async (): Promise<void> => {
            await this.open?.close();
            this.open = undefined;
        },
    };

    /**
     * From the next `up` on, which starts on an empty platform.
     *
     * @param speed by which the platform's real delays are multiplied
     */
    async begin(speed: number, settings: Record<string, unknown> = {}): Promise<void> {
        await this.stack.startAfresh();
        this.speed = speed;
        this.settings = settings;
    }

    async up(): Promise<{ seconds: number }> {
        return (await this.rehearsal()).must("up");
    }

    /** Every request answered, by all that can. */
    async works(): Promise<void> {
        await requireEntrance(await this.rehearsal(), stack);
    }

    /** A command, with the calls that it made of the API by method and route. */
    async counted(
        command: string,
    ): Promise<{ seconds: number; total: number; calls: Record<string, number> }> {
        const { emulator } = await this.rehearsal();
        emulator.log.clear();
        const { seconds } = await this.stack.must(command);
        return { seconds, total: emulator.log.total, calls: emulator.log.counts() };
    }

    private async rehearsal(): Promise<Rehearsal> {
        if (this.open === undefined) {
            this.open = await Rehearsal.open({ stack, speed: this.speed });
            this.open.configure(this.settings);
        }
        return this.open;
    }
}
