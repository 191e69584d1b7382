import type { Stack } from "../tests/support/stack";
import type { Figure } from "./report";
import { median } from "./statistics";

/** The most seconds that each command may take. */
export interface LifecycleAims {
    up: number;
    preview: number;
    down: number;
}

/** What this needs of a lab's driver. */
export interface Lab {
    readonly stack: Pick<Stack, "must" | "startAfresh">;
    up(): Promise<{ seconds: number }>;
}

/** Seconds of the front door's commands, as a user waits for them. */
export class Lifecycle {
    private readonly ups: number[] = [];
    private readonly previews: number[] = [];
    private readonly downs: number[] = [];

    constructor(
        private readonly lab: Lab,
        private readonly aims: LifecycleAims,
    ) {}

    async up(): Promise<void> {
        this.ups.push((await this.lab.up()).seconds);
    }

    async preview(): Promise<void> {
        this.previews.push((await this.lab.stack.must("preview")).seconds);
    }

    async down(): Promise<void> {
        this.downs.push((await this.lab.stack.must("down")).seconds);
    }

    figures(): Figure[] {
        const seconds = (what: string, samples: number[], atMost: number): Figure => ({
            what,
            value: median(samples),
            unit: "s",
            target: { atMost },
            samples: samples.length,
            note: samples.map((sample) => sample.toFixed(1)).join(", "),
        });
        return [
            seconds("`make up` with warm caches", this.ups, this.aims.up),
            seconds("`make preview` without changes", this.previews, this.aims.preview),
            seconds("`make down`", this.downs, this.aims.down),
        ];
    }
}
