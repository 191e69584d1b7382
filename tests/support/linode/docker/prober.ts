import { readFileSync } from "node:fs";
import { join } from "node:path";

import { run, tail } from "../../command";

export interface Target {
    protocol: "tcp" | "udp";
    address: string;
    port: number;
}

/** `silent`: neither an answer nor a refusal, as where a firewall drops. */
export type Reply = "open" | "refused" | "silent";

/** Whence ports are called: a Docker command that runs Python on its standard input, up to the interpreter's arguments. */
export type Caller = string[];

/** From an address of its own on one of the engine's networks; from this computer with the network `host`. */
export function stranger(image: string, network: string, labels: string[], address?: string): Caller {
    return [
        ...["run", "--rm", "--interactive", ...labels, "--network", network],
        ...(address === undefined ? [] : ["--ip", address]),
        ...["--entrypoint", "python3", image],
    ];
}

/** From a container that runs. */
export function inhabitant(container: string): Caller {
    return ["exec", "--interactive", container, "python3"];
}

/** How each target answers to a caller, all called at once. */
export async function probe(caller: Caller, targets: Target[]): Promise<Reply[]> {
    const list = targets.map(({ protocol, address, port }) => [protocol, address, port]);
    const { code, stdout, output } = await run("docker", [...caller, "-", JSON.stringify(list)], {
        input: readFileSync(join(__dirname, "prober.py"), "utf8"),
        timeout: 60,
    });
    if (code !== 0) {
        throw new Error(`the ports cannot be called: ${tail(output)}`);
    }
    return JSON.parse(stdout) as Reply[];
}
