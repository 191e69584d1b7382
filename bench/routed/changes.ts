import { withLoad } from "../../tests/support/load";
import type { RoutedLab } from "../../tests/support/routed-lab";
import type { Settings } from "../../tests/support/stack";
import { failedRequests } from "../failures";
import type { Figure } from "../report";

const rate = 50;

/** How long changes of a running cluster take that replace no machine, and what they cost those who use it. */
export async function measureChanges(lab: RoutedLab): Promise<Figure[]> {
    const figures: Figure[] = [];
    const measure = async (what: string, settings: Settings): Promise<void> => {
        let seconds = 0;
        const headers = { host: "helloworld.service" };
        const { report } = await withLoad({ url: `${lab.url("http")}/`, headers, rate }, async () => {
            ({ seconds } = await lab.change(settings));
        });
        figures.push(
            { what, value: seconds, unit: "s", samples: 1 },
            failedRequests(`failed requests meanwhile`, report, { atMost: 0, rate }),
        );
    };
    await measure("new certificates on five machines, one after the other", {
        certificates: { rotation: 2 },
    });
    await measure("a client more", { pools: { default: { count: 3 } } });
    await measure("a client less", { pools: undefined });
    await measure("from three servers to five", { servers: { count: 5 } });
    await measure("from five servers to three", { servers: undefined });
    return figures;
}
