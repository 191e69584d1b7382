import { overdue } from "./names";
import { Server, type ServerReport } from "./servers";
import type { Cluster } from "./stack";
import { everything, type Found, LocalStore, onServer } from "./store";

/** The servers that answer, what they have, and what is on this computer. */
export class Fleet {
    readonly store: LocalStore;
    reports: { server: Server; report: ServerReport }[] = [];
    /** Why servers cannot be asked, by name. */
    readonly silent: Record<string, string> = {};
    /** What somebody ought to look at, in words. */
    readonly warnings: string[] = [];

    private constructor(private readonly cluster: Cluster) {
        this.store = new LocalStore(cluster.stack);
    }

    /** Asks all servers at once. One that does not answer is a warning. */
    static async ask(cluster: Cluster): Promise<Fleet> {
        const fleet = new Fleet(cluster);
        const answers = await Promise.allSettled(
            Object.entries(cluster.servers).map(async ([name, connection]) => {
                const server = await Server.connect(name, connection);
                return { server, report: await server.report() };
            }),
        );
        Object.keys(cluster.servers).forEach((name, place) => {
            const answer = answers[place]!;
            if (answer.status === "fulfilled") {
                fleet.reports.push(answer.value);
            } else {
                fleet.silent[name] = (answer.reason as Error).message;
                fleet.warnings.push(`${name} cannot be asked: ${fleet.silent[name]}`);
            }
        });
        fleet.reports.forEach(({ report }) => fleet.warnings.push(...failuresOf(report)));
        return fleet;
    }

    close(): void {
        this.reports.forEach(({ server }) => server.close());
    }

    /** Takes one on every server; leaders leave theirs to the others. */
    async take(): Promise<void> {
        const taken = await Promise.allSettled(this.reports.map(({ server }) => server.take()));
        taken.forEach((each) => {
            if (each.status === "rejected") {
                this.warnings.push((each.reason as Error).message);
            }
        });
        this.reports = await Promise.all(
            this.reports.map(async ({ server }) => ({ server, report: await server.report() })),
        );
    }

    get remote(): Found[] {
        return this.reports.flatMap(({ server, report }) => onServer(server, report));
    }

    get all(): Found[] {
        return everything(this.store.list(), this.remote);
    }

    /** Systems whose newest snapshot on the servers is older than the schedule lets it get. */
    overdue(): string[] {
        if (this.reports.length === 0) {
            return [];
        }
        const now = Math.max(...this.reports.map(({ report }) => Date.parse(report.now) / 1000));
        return overdue(this.remote, this.cluster.systems, now, this.cluster.interval);
    }
}

function failuresOf({ node, sources: status }: ServerReport): string[] {
    return Object.entries(status)
        .filter(([, { outcome }]) => outcome === "failed")
        .map(
            ([source, { failures, error, at }]) =>
                `${node}: ${source} has failed ${failures} times, last at ${at}: ${error}`,
        );
}
