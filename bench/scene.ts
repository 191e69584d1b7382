import Docker from "dockerode";

import { docker, removeLeftovers } from "../tests/support/docker";
import { imageReference } from "../toolchain/images";
import { parseWrk, wrkArguments, type WrkOptions, type WrkReport } from "./wrk";

/** A container of a scene. */
export interface Role {
    name: string;
    image: string;
    /** The processor's core that it is confined to; it is left out where there is only one. */
    core?: number;
    env?: Record<string, string>;
    entrypoint?: string;
    command?: string[];
}

/**
 * Containers that share one network namespace, so that traffic between them never leaves the loopback interface. The
 * first is the load generator's, which idles until it is asked to run.
 */
export class Scene {
    private readonly engine = new Docker();

    private constructor(
        /** The value of the label by which everything of it is found and removed. */
        readonly label: string,
        private readonly cores: number,
    ) {}

    /**
     * @param label the stack's name that its containers are labelled with; what an earlier run has left is removed
     * @param network another container, whose network namespace it joins; by default one with nothing but loopback
     * @param publish ports that this computer is to reach (`portOf`); then the namespace has a network, too
     * @param core the load generator's
     */
    static async open(
        label: string,
        options: { network?: string; publish?: number[]; core?: number; cores: number },
    ): Promise<Scene> {
        await removeLeftovers(label);
        const scene = new Scene(label, options.cores);
        await scene.run(
            {
                name: "load",
                image: imageReference("load-generator"),
                core: options.core,
                entrypoint: "/bin/sleep",
                command: ["infinity"],
            },
            namespaceOf(options),
            options.publish,
        );
        return scene;
    }

    /** The port on 127.0.0.1 that leads to a published one. */
    async portOf(internal: number): Promise<number> {
        const published = await docker("port", this.container("load"), `${internal}/tcp`);
        return Number(published.trim().split("\n")[0]?.split(":").at(-1));
    }

    /** Starts a container in the scene's network namespace. */
    async add(role: Role): Promise<void> {
        await this.run(role, `container:${this.container("load")}`);
    }

    /** The Docker name of one of its containers. */
    container(name: string): string {
        return `gatehouse-${this.label}-${name}`;
    }

    async remove(name: string): Promise<void> {
        await docker("rm", "--force", "--volumes", this.container(name));
    }

    /** Runs a command beside the load generator, and returns what it printed. */
    exec(...command: string[]): Promise<string> {
        return docker("exec", this.container("load"), ...command);
    }

    async load(options: WrkOptions): Promise<WrkReport> {
        return parseWrk(await this.exec("wrk", ...wrkArguments(options)));
    }

    /** Seconds of processor time that a container of the scene has used so far. */
    cpuSeconds(name: string): Promise<number> {
        return cpuSeconds(this.engine, this.container(name));
    }

    /** TCP connections that have been opened in the namespace so far. */
    async connectionsOpened(): Promise<number> {
        return parseActiveOpens(await this.exec("cat", "/proc/net/snmp"));
    }

    async close(): Promise<void> {
        await removeLeftovers(this.label);
    }

    private async run(role: Role, network: string, publish: number[] = []): Promise<void> {
        const core = this.cores > 1 && role.core !== undefined ? ["--cpuset-cpus", String(role.core)] : [];
        await docker(
            ...["run", "--detach", "--name", this.container(role.name), "--network", network, ...core],
            ...["--label", `dev.gatehouse.stack=${this.label}`],
            ...publish.flatMap((port) => ["--publish", `127.0.0.1::${port}`]),
            ...Object.entries(role.env ?? {}).flatMap(([name, value]) => ["--env", `${name}=${value}`]),
            ...(role.entrypoint === undefined ? [] : ["--entrypoint", role.entrypoint]),
            role.image,
            ...(role.command ?? []),
        );
    }
}

function namespaceOf({ network, publish }: { network?: string; publish?: number[] }): string {
    if (network !== undefined) {
        return `container:${network}`;
    }
    return publish === undefined ? "none" : "bridge";
}

/** Seconds of processor time that a container has used since it was started. */
export async function cpuSeconds(engine: Docker, container: string): Promise<number> {
    const options = { stream: false, "one-shot": true } as const;
    const stats = await engine.getContainer(container).stats(options);
    return stats.cpu_stats.cpu_usage.total_usage / 1e9;
}

/** Reads the count of connections opened from /proc/net/snmp. Pure. */
export function parseActiveOpens(text: string): number {
    const [names, values] = text.split("\n").filter((line) => line.startsWith("Tcp:"));
    const column = names?.split(" ").indexOf("ActiveOpens") ?? -1;
    const value = Number(values?.split(" ")[column]);
    if (column < 0 || Number.isNaN(value)) {
        throw new Error(`no count of opened connections in:\n${text}`);
    }
    return value;
}
