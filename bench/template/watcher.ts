import { Agent, get } from "node:http";
import { performance } from "node:perf_hooks";

import { pause } from "../../tests/support/poll";

/** Asks one address after the other, as fast as it answers, and notes when a certain instance did. */
export class Watcher {
    /** When each answer of the instance came, by address: milliseconds since the start of the process. */
    private readonly seen = new Map<string, number[]>();
    private readonly agent = new Agent({ keepAlive: true, maxSockets: 1 });
    private readonly done: Promise<void>;
    private url: string;
    private watching = true;
    private readonly counts = new Map<string, { requests: number; failures: Map<string, number> }>();

    /**
     * @param instance what its answers carry in `X-Instance`
     * @param gap milliseconds between an answer and the next request, to leave the machine's cores to the others
     */
    constructor(
        private readonly instance: string,
        url: string,
        private readonly gap = 0,
    ) {
        this.url = url;
        this.done = this.run();
    }

    /** Asks another address from now on. */
    turnTo(url: string): void {
        this.url = url;
    }

    /** When the instance answered there in this span. */
    between(url: string, from: number, to: number): number[] {
        return (this.seen.get(url) ?? []).filter((at) => at >= from && at < to);
    }

    /** How many requests went to an address, and how many of them failed. */
    tally(url: string): { requests: number; failed: number } {
        const { requests, failures } = this.countsOf(url);
        return { requests, failed: [...failures.values()].reduce((sum, count) => sum + count, 0) };
    }

    /** How many requests to an address failed, and why. */
    failures(url: string): string {
        const { failures } = this.countsOf(url);
        const { requests, failed } = this.tally(url);
        const reasons = [...failures].map(([reason, count]) => `, ${count} × ${reason}`).join("");
        return `${failed} of ${requests} requests failed${reasons}`;
    }

    private countsOf(url: string) {
        const counts = this.counts.get(url) ?? { requests: 0, failures: new Map<string, number>() };
        this.counts.set(url, counts);
        return counts;
    }

    async stop(): Promise<void> {
        this.watching = false;
        await this.done;
        this.agent.destroy();
    }

    private async run(): Promise<void> {
        while (this.watching) {
            const { url } = this;
            const counts = this.countsOf(url);
            const fail = (reason: string) =>
                counts.failures.set(reason, (counts.failures.get(reason) ?? 0) + 1);
            counts.requests += 1;
            await new Promise<void>((resolve) => {
                const outgoing = get(url, { agent: this.agent, timeout: 5000 }, (incoming) => {
                    incoming.resume();
                    incoming.on("end", () => {
                        if (incoming.headers["x-instance"] === this.instance) {
                            this.seen.set(url, this.seen.get(url) ?? []);
                            this.seen.get(url)?.push(performance.now());
                        }
                        if (incoming.statusCode !== 200) {
                            fail(`status ${incoming.statusCode}`);
                        }
                        resolve();
                    });
                });
                outgoing.on("timeout", () => outgoing.destroy());
                outgoing.on("error", (error: NodeJS.ErrnoException) => {
                    fail(error.code ?? error.message);
                    // A server that is gone must not be asked ten thousand times a second.
                    setTimeout(resolve, 1);
                });
            });
            if (this.gap > 0) {
                await pause(this.gap);
            }
        }
    }
}
