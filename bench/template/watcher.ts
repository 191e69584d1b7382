import { Agent, get } from "node:http";
import { performance } from "node:perf_hooks";

/** Asks one address after the other, as fast as it answers, and notes when a certain instance did. */
export class Watcher {
    /** When each answer of the instance came, by address: milliseconds since the start of the process. */
    private readonly seen = new Map<string, number[]>();
    private readonly agent = new Agent({ keepAlive: true, maxSockets: 1 });
    private readonly done: Promise<void>;
    private url: string;
    private watching = true;
    requests = 0;
    failed = 0;

    /** @param instance what its answers carry in `X-Instance` */
    constructor(
        private readonly instance: string,
        url: string,
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

    async stop(): Promise<void> {
        this.watching = false;
        await this.done;
        this.agent.destroy();
    }

    private async run(): Promise<void> {
        while (this.watching) {
            const { url } = this;
            this.requests += 1;
            await new Promise<void>((resolve) => {
                const outgoing = get(url, { agent: this.agent, timeout: 5000 }, (incoming) => {
                    incoming.resume();
                    incoming.on("end", () => {
                        if (incoming.headers["x-instance"] === this.instance) {
                            this.seen.set(url, this.seen.get(url) ?? []);
                            this.seen.get(url)?.push(performance.now());
                        }
                        if (incoming.statusCode !== 200) {
                            this.failed += 1;
                        }
                        resolve();
                    });
                });
                outgoing.on("timeout", () => outgoing.destroy());
                outgoing.on("error", () => {
                    this.failed += 1;
                    // A server that is gone must not be asked ten thousand times a second.
                    setTimeout(resolve, 1);
                });
            });
        }
    }
}
