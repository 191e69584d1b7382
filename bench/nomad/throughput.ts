import { docker, nestedContainers } from "../../tests/support/docker";
import type { NomadLab } from "../../tests/support/nomad-lab";
import { eventually } from "../../tests/support/poll";
import { request } from "../../tests/support/http";
import { imageReference } from "../../toolchain/images";
import type { Figure } from "../report";
import { median } from "../statistics";
import { parseFlawless, wrkArguments, type WrkReport } from "../wrk";

const rounds = 21;
const secondsPerRound = 3;
const handRunPort = 8081;
const handRunName = "bench-haproxy";

/**
 * Requests per second through the lab's HAProxy, and through one that is run by hand with a fixed list of the same
 * instances, in turn. Both run the same binary from the same image on the same engine, and the load comes from inside
 * the machine's own network.
 */
export async function measureThroughput(lab: NomadLab): Promise<Figure[]> {
    await startHandRun(lab);
    try {
        const results: Record<"lab" | "hand", WrkReport[]> = { lab: [], hand: [] };
        await wrk(lab, 80, 2);
        await wrk(lab, handRunPort, 2);
        for (let round = 0; round < rounds; round += 1) {
            // Each goes first every other time: what the first leaves behind must not favour one of them.
            const order = round % 2 === 0 ? (["lab", "hand"] as const) : (["hand", "lab"] as const);
            for (const which of order) {
                results[which].push(await wrk(lab, which === "lab" ? 80 : handRunPort, secondsPerRound));
            }
        }
        return compare(results.lab, results.hand);
    } finally {
        await lab.inside("docker", "rm", "--force", handRunName);
    }
}

function compare(lab: WrkReport[], hand: WrkReport[]): Figure[] {
    const ratio = (of: (round: WrkReport) => number) =>
        lab.map((round, n) => of(round) / of(hand[n] as WrkReport));
    const speed = (round: WrkReport) => round.requestsPerSecond;
    const tail = (round: WrkReport) => round.p99Milliseconds;
    const samples = rounds;
    return [
        {
            what: "requests per second through the lab's HAProxy",
            value: median(lab.map(speed)),
            unit: "req/s",
            samples,
        },
        {
            what: "the same through a hand-run HAProxy",
            value: median(hand.map(speed)),
            unit: "req/s",
            samples,
        },
        {
            what: "ratio of the two",
            value: median(ratio(speed)),
            unit: "ratio",
            target: { atLeast: 0.95 },
            samples,
            note: `rounds in turn: ${ratio(speed)
                .map((value) => value.toFixed(2))
                .join(", ")}`,
        },
        { what: "p99 through the lab's HAProxy", value: median(lab.map(tail)), unit: "ms", samples },
        { what: "p99 through a hand-run HAProxy", value: median(hand.map(tail)), unit: "ms", samples },
    ];
}

/** One run of wrk in the machine's network namespace. */
async function wrk(lab: NomadLab, port: number, seconds: number): Promise<WrkReport> {
    const text = await docker(
        ...["run", "--rm", "--label", `dev.gatehouse.stack=${lab.stack.name}`],
        ...["--network", `container:${lab.machine}`, imageReference("load-generator")],
        ...wrkArguments({ url: `http://127.0.0.1:${port}/`, seconds, connections: 32 }),
    );
    return parseFlawless(text);
}

/** What the lab's HAProxy runs from, and its weight among the machine's containers. */
async function labsHaproxy(lab: NomadLab): Promise<{ image: string; shares: string }> {
    const container = (await nestedContainers(lab.machine)).find(({ name }) => name.startsWith("haproxy-"));
    if (container === undefined) {
        throw new Error("no HAProxy runs in the machine");
    }
    const format = "{{.Image}} {{.HostConfig.CpuShares}}";
    const text = await lab.inside("docker", "inspect", "--format", format, container.id);
    const [image = "", shares = ""] = text.trim().split(" ");
    return { image, shares };
}

/** The HAProxy that a careful person would write by hand for three servers whose addresses are known. */
async function startHandRun(lab: NomadLab): Promise<void> {
    const instances = await lab.healthy("demo-webapp");
    const { image, shares } = await labsHaproxy(lab);
    const config = [
        "global",
        "    maxconn 8000",
        "defaults",
        "    mode http",
        "    timeout connect 1s",
        "    timeout client 30s",
        "    timeout server 30s",
        "frontend http",
        `    bind 127.0.0.1:${handRunPort}`,
        "    option forwardfor",
        "    default_backend webapp",
        "backend webapp",
        "    balance roundrobin",
        "    option httpchk GET /health",
        ...instances.map(
            ({ address, port }, n) => `    server webapp${n + 1} ${address}:${port} check inter 1s`,
        ),
        "",
    ].join("\n");
    const encoded = Buffer.from(config).toString("base64");
    await lab.inside(
        "sh",
        "-c",
        `mkdir -p /run/bench && echo ${encoded} | base64 -d > /run/bench/haproxy.cfg`,
    );
    await lab.inside(
        ...["docker", "run", "--detach", "--name", handRunName, "--network", "host", "--user", "0"],
        ...["--cpu-shares", shares],
        ...["--volume", "/run/bench:/bench:ro", "--entrypoint", "/usr/sbin/haproxy", image],
        ...["-W", "-f", "/bench/haproxy.cfg"],
    );
    await eventually("the hand-run HAProxy answers", async () => {
        await lab.inside("curl", "--silent", "--fail", `http://127.0.0.1:${handRunPort}/`);
        await request(lab.url("webapp"));
    });
}
