import type { RoutedLab } from "../../tests/support/routed-lab";
import { workingSets } from "../memory";
import type { Matrix } from "../report";

/** How the lab grows with the number of its clients: from nothing to all URLs, and a preview that finds nothing to do. */
export async function measureGrowth(lab: RoutedLab, clients: number[]): Promise<Matrix> {
    const rows: Matrix["rows"] = [];
    await lab.stack.must("down");
    for (const count of clients) {
        console.log(`routed: three servers and ${count} clients`);
        lab.set({ pools: { default: { count } } });
        const up = await lab.up();
        const preview = await lab.stack.must("preview");
        rows.push([count, up.seconds, preview.seconds, ...(await memory(lab))]);
        await lab.stack.must("down");
    }
    lab.set({ pools: undefined });
    await lab.up();
    return {
        title: "Three servers and a number of clients",
        head: [
            "clients",
            "`make up`, s",
            "`make preview`, s",
            "all together, MiB",
            "a server, MiB",
            "a client, MiB",
        ],
        rows,
    };
}

/** MiB in all, of a server, of a client: means. */
async function memory(lab: RoutedLab): Promise<(string | number)[]> {
    const { containers } = await lab.stack.inventory();
    const sizes = Object.entries(await workingSets(containers));
    const sum = (some: typeof sizes): number => some.reduce((total, [, size]) => total + size, 0);
    const mean = (role: string): string | number => {
        const some = sizes.filter(([name]) => name.includes(`-${role}-`));
        return some.length === 0 ? "" : sum(some) / some.length;
    };
    return [sum(sizes), mean("server"), mean("client")];
}
