/** Work of the platform that is under way. */
interface Job {
    /** Milliseconds left when the clock stands still. */
    left: number;
    /** When the timer was set, in milliseconds of the process. */
    since: number;
    timer?: NodeJS.Timeout;
    run: () => void;
}

/**
 * The platform's time. Delays are given as in real life and multiplied by `factor`, so that a test that wants the order
 * of things need not wait for them. It can stand still: what is under way then goes on where it was.
 */
export class Clock {
    private readonly jobs = new Set<Job>();
    private stopped = false;

    /** @param factor 1 is real life, 0.01 a hundredth of every delay, 0 no delay at all. */
    constructor(readonly factor: number) {
        if (!(factor >= 0)) {
            throw new Error(`the clock's factor must be 0 or more, not ${factor}`);
        }
    }

    /** Runs `work` after so many seconds of real life. */
    after(seconds: number, work: () => void): void {
        const job: Job = { left: seconds * 1000 * this.factor, since: 0, run: work };
        this.jobs.add(job);
        if (!this.stopped) {
            this.arm(job);
        }
    }

    /** The same as a promise. */
    delay(seconds: number): Promise<void> {
        return new Promise((resolve) => this.after(seconds, resolve));
    }

    /** Seconds of real life in the time of this process: what a rate limit's window lasts. */
    scaled(seconds: number): number {
        return seconds * this.factor;
    }

    /** How many jobs are under way. */
    get pending(): number {
        return this.jobs.size;
    }

    stop(): void {
        this.stopped = true;
        for (const job of this.jobs) {
            clearTimeout(job.timer);
            job.left = Math.max(0, job.left - (performance.now() - job.since));
        }
    }

    go(): void {
        if (!this.stopped) {
            return;
        }
        this.stopped = false;
        for (const job of this.jobs) {
            this.arm(job);
        }
    }

    private arm(job: Job): void {
        job.since = performance.now();
        job.timer = setTimeout(() => {
            this.jobs.delete(job);
            job.run();
        }, job.left);
    }
}

/** A date as the API writes it: UTC without a zone, to the second. */
export function timestamp(date: Date = new Date()): string {
    return date.toISOString().slice(0, 19);
}
