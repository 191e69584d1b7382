import { docker, removeLeftovers } from "../../tests/support/docker";
import type { Role } from "../scene";

const label = "bench-discovery";

/** Where a container is. */
export interface Place {
    /** In the stage's network. */
    address: string;
    /** For this process, where a port is published. */
    url: string;
}

/** A Docker network in which the measure has Consul, the instances and one balancer after the other. */
export class Stage {
    private constructor(readonly network: string) {}

    /** What an earlier run has left is removed. */
    static async open(): Promise<Stage> {
        await removeLeftovers(label);
        const network = `gatehouse-${label}`;
        await docker("network", "create", "--label", `dev.gatehouse.stack=${label}`, network);
        return new Stage(network);
    }

    /**
     * @param port published on a free port of 127.0.0.1
     * @param options further ones of `docker run`
     */
    async run(
        role: Omit<Role, "core">,
        { port, options = [] }: { port?: number; options?: string[] } = {},
    ): Promise<Place> {
        const name = this.container(role.name);
        await docker(
            ...["run", "--detach", "--name", name, "--network", this.network, ...options],
            ...["--label", `dev.gatehouse.stack=${label}`],
            ...(port === undefined ? [] : ["--publish", `127.0.0.1::${port}`]),
            ...Object.entries(role.env ?? {}).flatMap(([key, value]) => ["--env", `${key}=${value}`]),
            ...(role.entrypoint === undefined ? [] : ["--entrypoint", role.entrypoint]),
            role.image,
            ...(role.command ?? []),
        );
        const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        const address = (await docker("inspect", "--format", format, name)).trim();
        if (port === undefined) {
            return { address, url: "" };
        }
        const published = await docker("port", name, `${port}/tcp`);
        return { address, url: `http://127.0.0.1:${published.trim().split(":").at(-1)}` };
    }

    /** The Docker name of one of its containers. */
    container(name: string): string {
        return `gatehouse-${label}-${name}`;
    }

    async remove(...names: string[]): Promise<void> {
        await docker("rm", "--force", "--volumes", ...names.map((name) => this.container(name)));
    }

    async close(): Promise<void> {
        await removeLeftovers(label);
    }
}
