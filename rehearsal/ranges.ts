import { run } from "../tests/support/command";
import { docker } from "../tests/support/docker";
import { overlap, parseRange } from "../tests/support/linode/addresses";
import { UserError } from "../toolchain/errors";

/** A network of the Docker engine with its ranges in CIDR notation. */
export interface DockerNetwork {
    name: string;
    ranges: string[];
}

/** Networks that overlap with ranges that a rehearsal takes. Pure. */
export function inTheWay(networks: DockerNetwork[], wanted: string[]): string[] {
    return networks.flatMap(({ name, ranges }) =>
        ranges
            .filter((range) => wanted.some((each) => overlaps(range, each)))
            .map((range) => `the Docker network ${name} has ${range}`),
    );
}

function overlaps(a: string, b: string): boolean {
    const [one, other] = [parseRange(a), parseRange(b)];
    return one !== undefined && other !== undefined && overlap(one, other);
}

/** @throws UserError when a network of Docker is where one of the emulated platform has to be. */
export async function requireFree(wanted: string[]): Promise<void> {
    const ids = (await docker("network", "ls", "--quiet")).split("\n").filter((id) => id !== "");
    // One that has gone meanwhile fails it, and is not in the answer.
    const { stdout } = await run("docker", ["network", "inspect", ...ids]);
    const found = JSON.parse(stdout || "[]") as {
        Name: string;
        IPAM?: { Config?: { Subnet: string }[] | null };
    }[];
    const networks = found.map(({ Name, IPAM }) => ({
        name: Name,
        ranges: (IPAM?.Config ?? []).map(({ Subnet }) => Subnet),
    }));
    const problems = inTheWay(networks, wanted);
    if (problems.length > 0) {
        throw new UserError(
            `the emulated platform needs ${wanted.join(", ")}, but ${problems.join(", and ")}`,
            "take down the lab whose network that is (make down STACK=…), or remove the network, and rehearse again",
        );
    }
}
