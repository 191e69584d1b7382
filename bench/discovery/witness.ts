import { Agent, get } from "node:http";
import { performance } from "node:perf_hooks";

import { pause } from "../../tests/support/poll";
import { service } from "./consul";

/** Holds a blocking query open at Consul, as events.lua does, and notes when its answers came and whom they named. */
export class Witness {
    private readonly answers: { at: number; named: boolean }[] = [];
    private readonly agent = new Agent({ keepAlive: true, maxSockets: 1 });
    private readonly done: Promise<void>;
    private watching = true;

    /** @param instance the id of the one that matters */
    constructor(
        private readonly api: string,
        private readonly instance: string,
    ) {
        this.done = this.run();
    }

    /** When Consul first named the instance (or no longer did) in this span; NaN if it did not say so. */
    first(named: boolean, from: number, to: number): number {
        return (
            this.answers.find((each) => each.at >= from && each.at < to && each.named === named)?.at ?? NaN
        );
    }

    async stop(): Promise<void> {
        this.watching = false;
        this.agent.destroy();
        await this.done;
    }

    private async run(): Promise<void> {
        let index = "0";
        while (this.watching) {
            try {
                const answer = await this.ask(index);
                this.answers.push({ at: answer.at, named: answer.ids.includes(this.instance) });
                index = answer.index;
            } catch (error) {
                if (this.watching) {
                    console.error(`a blocking query failed: ${String(error)}`);
                    await pause(100);
                }
            }
        }
    }

    private ask(index: string): Promise<{ at: number; index: string; ids: string[] }> {
        const url = `${this.api}/v1/health/service/${service}?passing=1&wait=60s&index=${index}`;
        return new Promise((resolve, reject) => {
            const outgoing = get(url, { agent: this.agent }, (incoming) => {
                let text = "";
                incoming.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
                incoming.on("error", reject);
                incoming.on("end", () => {
                    const at = performance.now();
                    if (incoming.statusCode !== 200) {
                        reject(new Error(`Consul answered ${incoming.statusCode}: ${text}`));
                        return;
                    }
                    const ids = (JSON.parse(text) as { Service: { ID: string } }[]).map(
                        (each) => each.Service.ID,
                    );
                    resolve({ at, index: String(incoming.headers["x-consul-index"]), ids });
                });
            });
            outgoing.on("error", reject);
        });
    }
}
