import { output, run } from "./command";

/** What a stack owns on the Docker engine, by name. */
export interface Inventory {
    containers: string[];
    networks: string[];
    volumes: string[];
}

const stackLabel = "dev.gatehouse.stack";

/** Everything that carries the stack's label, stopped containers included. */
export async function inventory(stack: string): Promise<Inventory> {
    const filter = ["--filter", `label=${stackLabel}=${stack}`];
    const [containers, networks, volumes] = await Promise.all([
        docker("ps", "--all", ...filter, "--format", "{{.Names}}"),
        docker("network", "ls", ...filter, "--format", "{{.Name}}"),
        docker("volume", "ls", ...filter, "--format", "{{.Name}}"),
    ]);
    return { containers: lines(containers), networks: lines(networks), volumes: lines(volumes) };
}

/** Removes what an earlier, killed run of the stack has left. */
export async function removeLeftovers(stack: string): Promise<void> {
    const left = await inventory(stack);
    if (left.containers.length > 0) {
        await docker("rm", "--force", "--volumes", ...left.containers);
    }
    if (left.networks.length > 0) {
        await docker("network", "rm", ...left.networks);
    }
    if (left.volumes.length > 0) {
        await docker("volume", "rm", "--force", ...left.volumes);
    }
}

export function docker(...args: string[]): Promise<string> {
    return output("docker", args);
}

/** Runs a command in a container and returns what it printed. */
export function inside(container: string, ...command: string[]): Promise<string> {
    return docker("exec", container, ...command);
}

/** Tags of the project's own images on the engine: the cache that outlives every stack. */
export async function cachedImages(): Promise<string[]> {
    return lines(
        await docker("images", "--filter", "reference=gatehouse/*", "--format", "{{.Repository}}:{{.Tag}}"),
    ).sort();
}

/** The running processes of the machine's own Docker engine, one name a line. */
export async function nestedContainers(machine: string): Promise<{ id: string; name: string }[]> {
    const text = await inside(machine, "docker", "ps", "--format", "{{.ID}} {{.Names}}");
    return lines(text).map((line) => {
        const [id = "", name = ""] = line.split(" ");
        return { id, name };
    });
}

/** Whether an engine answers at all. */
export async function engineAnswers(): Promise<boolean> {
    return (await run("docker", ["version", "--format", "{{.Server.Version}}"])).code === 0;
}

function lines(text: string): string[] {
    return text.split("\n").filter((line) => line !== "");
}
