import { canRun } from "./checks";
import { Runner, type RunnerOptions } from "./runner";

import type { Catalog, CatalogCheck } from "./catalog";

export interface MonitorOptions {
    catalog: Catalog;
    log: (line: string) => void;
    /** Milliseconds between two runs of a check, at the least. Default 1000, as with Consul's agents. */
    minimumInterval?: number;
    /** Milliseconds after which another output is written although the status is the same. Default 5 minutes. */
    outputInterval?: number;
}

/** consul-esm's own check of a node; whoever makes it also keeps it. */
const probe = "externalNodeHealth";
/** Milliseconds between two answers, so that a thousand verdicts at once are read a few times and not a thousand. */
const breath = 100;
const backOff = { first: 250, most: 5000 };

/**
 * Makes the health checks of the catalogue's external nodes, which no agent makes: HTTP and TCP, by their definition. It
 * does what consul-esm does for nodes with `external-node: "true"`, but for two things: it does not ping the nodes that
 * ask for it (`external-probe: "true"`), and does not remove services that are critical for long.
 */
export class Monitor {
    private readonly runners = new Map<string, Runner>();
    private readonly stopping = new AbortController();
    private readonly options: RunnerOptions;
    private away: string | undefined = "Consul has not answered yet";
    /** Whether the log says that Consul is away. */
    private said = false;
    private watching: Promise<void> | undefined;

    constructor({ minimumInterval = 1000, outputInterval = 300_000, ...options }: MonitorOptions) {
        this.options = { minimumInterval, outputInterval, ...options };
    }

    /** Why the catalogue is not followed at the moment; `undefined` when it is. */
    get trouble(): string | undefined {
        return this.away;
    }

    /** How many checks it makes. */
    get size(): number {
        return this.runners.size;
    }

    start(): void {
        this.watching ??= this.watch();
    }

    /** Resolves when nothing is under way any more. */
    async stop(): Promise<void> {
        this.stopping.abort();
        this.runners.forEach((runner) => runner.stop());
        this.options.catalog.close();
        await this.watching;
    }

    private async watch(): Promise<void> {
        const { signal } = this.stopping;
        let known = 0;
        let delay = backOff.first;
        while (!signal.aborted) {
            try {
                const { checks, index } = await this.options.catalog.externalChecks(known, signal);
                this.found();
                this.follow(checks, index < known);
                // Consul's advice for an index that goes backwards: ask anew, at once.
                known = index < known ? 0 : index;
                delay = backOff.first;
                await pause(breath, signal);
            } catch (error) {
                if (!signal.aborted) {
                    this.lost((error as Error).message);
                    await pause(delay * (0.5 + Math.random() / 2), signal);
                    delay = Math.min(delay * 2, backOff.most);
                }
            }
        }
    }

    private follow(checks: CatalogCheck[], rewound: boolean): void {
        const gone = new Set(this.runners.keys());
        const counts = { new: 0, changed: 0, gone: 0 };
        for (const check of checks) {
            // Unique on its node.
            const key = `${check.Node}/${check.CheckID}`;
            if (check.CheckID === probe || !canRun(check.Definition)) {
                continue;
            }
            gone.delete(key);
            const runner = this.runners.get(key);
            if (!runner) {
                this.runners.set(key, new Runner(check, this.options, counts.new));
                counts.new++;
            } else if (runner.update(check, rewound)) {
                counts.changed++;
            }
        }
        for (const key of gone) {
            this.runners.get(key)?.stop();
            this.runners.delete(key);
            counts.gone++;
        }
        const news = Object.entries(counts).filter(([, count]) => count > 0);
        if (news.length > 0) {
            const text = news.map(([what, count]) => `${count} ${what}`).join(", ");
            this.options.log(`checks: ${text}; ${this.size} in all`);
        }
    }

    private found(): void {
        if (this.away !== undefined) {
            this.options.log("Consul answers");
        }
        this.away = undefined;
        this.said = false;
    }

    private lost(reason: string): void {
        if (!this.said) {
            this.options.log(`Consul is lost, checks go on: ${reason}`);
        }
        this.away = reason;
        this.said = true;
    }
}

/** Lets time pass; less when the signal comes. */
function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
        const end = (): void => {
            clearTimeout(timer);
            signal.removeEventListener("abort", end);
            resolve();
        };
        const timer = setTimeout(end, milliseconds);
        signal.addEventListener("abort", end);
        if (signal.aborted) {
            end();
        }
    });
}
