import { Refused, type Catalog, type CatalogCheck } from "./catalog";
import { intervalOf, runCheck, type Verdict } from "./checks";

export interface RunnerOptions {
    catalog: Catalog;
    log: (line: string) => void;
    /** Milliseconds; a check that asks for more runs less often. */
    minimumInterval: number;
    /** Milliseconds after which another output is written although the status is the same. */
    outputInterval: number;
}

/** How often a verdict is tried to be written when others change the check at the same moment. */
const mostAttempts = 5;
/**
 * Milliseconds between the first runs of checks that begin together. A thousand in the same moment would not be answered
 * in time, for no fault of theirs.
 */
const startGap = 2;
/** Milliseconds, at the most, until a verdict that could not be written is found and tried again. */
const retryInterval = 5000;

/** Makes one check again and again, and brings the catalogue to what it finds. */
export class Runner {
    private verdict: Verdict | undefined;
    private writtenAt = 0;
    /** While a run is under way. Aborted when what it finds does not matter any more. */
    private running: AbortController | undefined;
    private timer: NodeJS.Timeout | undefined;
    private startedAt = 0;
    /** When the next run is due. */
    private due = 0;
    private complaint = "";

    constructor(
        private entry: CatalogCheck,
        private readonly options: RunnerOptions,
        /** How many checks have begun together with this one, before it. */
        place = 0,
    ) {
        this.begin(place);
    }

    /**
     * Takes over what the catalogue says, unless it is older than what is known. `rewound` says that Consul has begun to
     * count anew. Returns whether the check is made in another way from now on.
     */
    update(entry: CatalogCheck, rewound = false): boolean {
        if (!rewound && entry.ModifyIndex < this.entry.ModifyIndex) {
            return false;
        }
        const changed = JSON.stringify(entry.Definition) !== JSON.stringify(this.entry.Definition);
        this.entry = entry;
        if (changed) {
            this.stop();
            this.begin();
        } else if (this.disagrees() && !this.running) {
            // Somebody has set the status, or Consul was away. A new look is truer than the last one, and bounds how
            // often two who disagree can overwrite each other.
            this.schedule(Math.min(this.due, this.startedAt + Math.min(1000, this.interval)));
        }
        return changed;
    }

    stop(): void {
        clearTimeout(this.timer);
        this.running?.abort();
        this.running = undefined;
    }

    private get interval(): number {
        return Math.max(intervalOf(this.entry.Definition), this.options.minimumInterval);
    }

    /** The first run is soon; the second finds a place in the interval, so that a thousand checks spread over it. */
    private begin(place = 0): void {
        this.verdict = undefined;
        this.startedAt = 0;
        const { interval } = this;
        const wait = Math.random() * Math.min(interval / 10, 1000) + Math.min(place * startGap, interval / 2);
        this.schedule(Date.now() + wait);
    }

    private schedule(due: number): void {
        clearTimeout(this.timer);
        this.due = due;
        this.timer = setTimeout(() => void this.run(), due - Date.now());
    }

    private async run(): Promise<void> {
        const running = new AbortController();
        this.running = running;
        const first = this.startedAt === 0;
        this.startedAt = Date.now();
        const verdict = await runCheck(this.entry.Definition, running.signal);
        if (running.signal.aborted) {
            return;
        }
        this.verdict = verdict;
        await this.report(verdict, running.signal);
        if (running.signal.aborted) {
            return;
        }
        this.running = undefined;
        const interval = first ? this.interval * (0.5 + Math.random() / 2) : this.interval;
        const due = this.startedAt + (this.disagrees() ? Math.min(interval, retryInterval) : interval);
        this.schedule(Math.max(Date.now(), due));
    }

    /** Never throws: what cannot be written now is written after the next run, or when Consul is back. */
    private async report(verdict: Verdict, signal: AbortSignal): Promise<void> {
        try {
            for (let attempt = 0; attempt < mostAttempts && this.worthWriting(verdict); attempt++) {
                const before = this.entry;
                const written = await this.options.catalog.write(before, verdict, signal);
                if (signal.aborted) {
                    return;
                }
                if (written) {
                    this.accept(before, written);
                    return;
                }
                const current = await this.options.catalog.check(before, signal);
                // Gone: the watch will say so. Made in another way: then it is another check's verdict.
                if (signal.aborted || !current || this.update(current)) {
                    return;
                }
            }
        } catch (error) {
            // That Consul is away is said once, by whoever watches it.
            if (!signal.aborted && error instanceof Refused && error.status < 500) {
                this.complain(`cannot write ${this.name}: ${error.message}`);
            }
        }
    }

    private accept(before: CatalogCheck, written: CatalogCheck): void {
        this.writtenAt = Date.now();
        this.complaint = "";
        if (written.ModifyIndex > this.entry.ModifyIndex) {
            this.entry = written;
        }
        if (before.Status !== written.Status) {
            const output = written.Output.replace(/\s+/g, " ").slice(0, 160).trim();
            this.options.log(`${this.name}: ${before.Status} -> ${written.Status} (${output})`);
        }
    }

    /** Once, until it is something else. */
    private complain(line: string): void {
        if (line !== this.complaint) {
            this.complaint = line;
            this.options.log(line);
        }
    }

    private worthWriting(verdict: Verdict): boolean {
        return (
            this.disagrees() ||
            (this.entry.Output !== verdict.output &&
                Date.now() - this.writtenAt > this.options.outputInterval)
        );
    }

    private disagrees(): boolean {
        return this.verdict !== undefined && this.entry.Status !== this.verdict.status;
    }

    private get name(): string {
        const { Node, ServiceID, CheckID } = this.entry;
        return [Node, ServiceID, CheckID].filter(Boolean).join("/");
    }
}
