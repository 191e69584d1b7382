import type { Drill } from "./drill";
import type { Api } from "./ledger";

/** What a drill has found. Times are seconds; undefined is never. */
export interface Measured {
    drill: Pick<Drill, "name" | "title" | "what" | "planned">;
    /** Through the first client's balancer, from outside the lab. */
    outside: Requests;
    /** From all machines that were not hit, each through its own balancer. */
    inside: Requests;
    /** The longest spell of failed requests, of both kinds. */
    longest: number;
    /** The longest time without an acknowledged write. */
    leader: Record<Api, number>;
    /** From when the event's cause was over. */
    health: number | undefined;
    /** What was missing when the drill gave up. */
    missing: string[];
    /** Acknowledged writes, and those of them that are not there. */
    written: number;
    lost: number;
}

export interface Requests {
    requests: number;
    failed: number;
    /** Why, with counts; empty without failures. */
    why: string;
}

/** What the lab promises, in seconds. */
export const promises = { leader: 10, health: 60 };

/** Which promises a drill has found broken; empty if all are kept. Pure. */
export function broken({ drill, outside, inside, leader, health, missing, lost }: Measured): string[] {
    const failed = outside.failed + inside.failed;
    return [
        ...(["consul", "nomad"] as const)
            .filter((api) => !(leader[api] <= promises.leader))
            .map(
                (api) =>
                    `${api} acknowledged nothing for ${round(leader[api])} s (at most ${promises.leader})`,
            ),
        ...(health === undefined ? [`not healthy again: ${missing.join("; ")}`] : []),
        ...(health !== undefined && health > promises.health
            ? [`healthy after ${round(health)} s (at most ${promises.health})`]
            : []),
        ...(lost > 0 ? [`${lost} acknowledged writes are lost`] : []),
        ...(drill.planned && failed > 0 ? [`${failed} requests failed in a planned event`] : []),
        // A drill without load shows nothing.
        ...(outside.requests > 0 ? [] : ["no request was made"]),
    ];
}

const head = [
    "drill",
    "failed from outside",
    "failed on the machines",
    "longest spell",
    "Consul without a leader",
    "Nomad without a leader",
    "healthy after",
    "writes lost",
    "passed",
];

/** The table as Markdown, which reads well in a terminal, too. Pure. */
export function renderTable(all: readonly Measured[]): string {
    const rows = all.map((each) => [
        each.drill.title,
        `${each.outside.failed} of ${each.outside.requests}`,
        // Where all machines are hit there is nobody to ask.
        each.inside.requests === 0 ? "" : `${each.inside.failed} of ${each.inside.requests}`,
        each.longest === 0 ? "" : `${round(each.longest)} s`,
        `${round(each.leader.consul)} s`,
        `${round(each.leader.nomad)} s`,
        each.health === undefined ? "never" : `${round(each.health)} s`,
        `${each.lost} of ${each.written}`,
        broken(each).length === 0 ? "yes" : "**no**",
    ]);
    const lines = [head, ...rows];
    const widths = head.map((_, column) =>
        Math.max(...lines.map((cells) => (cells[column] ?? "").length), 3),
    );
    const line = (cells: string[]) =>
        `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
    return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}

/** What each drill does, and what has failed and why. Pure. */
export function renderNotes(all: readonly Measured[]): string {
    return all
        .map((each) => {
            const why = [
                each.outside.why && ` From outside: ${each.outside.why}.`,
                each.inside.why && ` On the machines: ${each.inside.why}.`,
                ...broken(each).map((text) => ` **${text}**.`),
            ];
            return `- **${each.drill.title}** (\`${each.drill.name}\`): ${each.drill.what}${why.join("")}`;
        })
        .join("\n");
}

export function round(value: number): string {
    return value.toFixed(1);
}
