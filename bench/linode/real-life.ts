import type { Found } from "../plan";
import type { Matrix } from "../report";
import type { RehearsedLab } from "./lab";

const commands = ["up", "preview", "down"] as const;

/** What each command asks of the API, without delays, in which nothing is asked twice. Takes the lab down and up again. */
export async function measureCalls(lab: RehearsedLab): Promise<Found> {
    const preview = await lab.counted("preview");
    const down = await lab.counted("down");
    const up = await lab.counted("up");
    const found = [up, preview, down];
    const routes = [...new Set(found.flatMap(({ calls }) => Object.keys(calls)))].sort(byPath);
    return {
        matrices: [
            {
                title: "Requests to the API without the platform's delays, by route",
                head: ["request", "`make up`", "`make preview` without changes", "`make down`"],
                rows: [
                    ...routes.map((route) => [
                        `\`${route}\``,
                        ...found.map(({ calls }) => calls[route] ?? ""),
                    ]),
                    ["all", ...found.map(({ total }) => total)],
                ],
            },
        ],
    };
}

const byPath = (a: string, b: string): number =>
    a.split(" ").reverse().join(" ").localeCompare(b.split(" ").reverse().join(" "));

/** From nothing to an answering page and back, with the delays of the real platform and different numbers of clients. */
export async function measureRealLife(lab: RehearsedLab, speed: number, clients: number[]): Promise<Found> {
    const rows: Matrix["rows"] = [];
    for (const count of clients) {
        console.log(`linode: three servers and ${count} clients, delays times ${speed}`);
        await lab.begin(speed, { "clients.count": count });
        const up = await lab.counted("up");
        const began = Date.now();
        await lab.works();
        const page = up.seconds + (Date.now() - began) / 1000;
        const others = { preview: await lab.counted("preview"), down: await lab.counted("down") };
        const all = { up, ...others };
        rows.push([
            count,
            count + 4,
            page,
            ...commands.map((command) => all[command].seconds),
            ...commands.map((command) => all[command].total),
        ]);
    }
    return {
        matrices: [
            {
                title: "Three servers and a number of clients, with the platform's real delays",
                head: [
                    "clients",
                    "instances",
                    "all pages, s",
                    ...commands.map((command) => `\`make ${command}\`, s`),
                    ...commands.map((command) => `requests of \`${command}\``),
                ],
                rows,
            },
        ],
    };
}
