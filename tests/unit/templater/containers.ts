import { output, run } from "../../support/command";
import { capabilities, type Image, tagOf } from "../balancers/image";

export interface BalancerOptions {
    consul: string;
    password: string;
    /** Further variables of the templater. */
    settings?: Record<string, string>;
}

/** HAProxy and the templater with the volume that they share, as the lab runs them, on the host's network. */
export class RunningBalancer {
    private readonly name = `gatehouse-test-templater-${process.pid}`;
    private settings: Record<string, string> = {};

    constructor(
        private readonly host: { readonly ports: { http: number; stats: number; metrics: number } },
        private readonly options: BalancerOptions,
    ) {
        this.settings = options.settings ?? {};
    }

    async startHaproxy(): Promise<void> {
        for (const volume of this.volumes) {
            await output("docker", ["volume", "create", "--label", this.label, volume]);
        }
        await output("docker", [
            ...this.base("haproxy"),
            ...capabilities.flatMap((each) => ["--cap-add", each]),
            ...["--volume", `${this.volumes[1]}:/var/lib/haproxy/state`],
            tagOf("haproxy"),
            ...["/run/haproxy/accepted.cfg", "/etc/haproxy/bootstrap.cfg"],
        ]);
    }

    async startTemplater(): Promise<void> {
        const variables = {
            CONSUL_HTTP_ADDR: this.options.consul,
            STATS_PASSWORD: this.options.password,
            METRICS_ADDRESS: `127.0.0.1:${this.host.ports.metrics}`,
            ...this.settings,
        };
        const environment = Object.entries(variables).flatMap(([name, value]) => [
            "--env",
            `${name}=${value}`,
        ]);
        await output("docker", [...this.base("templater"), ...environment, tagOf("templater")]);
    }

    /** A new templater with other settings, as a change of the lab's makes. HAProxy stays. */
    async changeTemplater(settings: Record<string, string>): Promise<void> {
        this.settings = { ...this.settings, ...settings };
        await output("docker", ["rm", "--force", this.container("templater")]);
        await this.startTemplater();
    }

    docker(command: "kill" | "start" | "stop" | "pause" | "unpause", image: Image): Promise<string> {
        return output("docker", [command, this.container(image)]);
    }

    /** Runs a command in the templater, or in another container. */
    async inside(...command: string[]): Promise<string> {
        return this.insideOf("templater", ...command);
    }

    async insideOf(image: Image, ...command: string[]): Promise<string> {
        return (await run("docker", ["exec", this.container(image), ...command])).stdout;
    }

    /** What the running HAProxy answers on its socket. */
    ask(command: string): Promise<string> {
        return this.inside("sh", "-c", '. haproxy-common; ask admin.sock "$0"', command);
    }

    /** What HAProxy reads. */
    configuration(): Promise<string> {
        return this.inside("cat", "/run/haproxy/haproxy.cfg");
    }

    /** What HAProxy reads, the server lines only: `a 127.0.0.1:8001`. */
    async servers(): Promise<string[]> {
        return [...(await this.configuration()).matchAll(/^ +server (\S+) (\S+)$/gm)].map(
            ([, name, address]) => `${name} ${address}`,
        );
    }

    /** A counter of the guard. */
    async counter(name: string): Promise<number> {
        const text = await this.inside("cat", "/run/haproxy/metrics");
        return Number(new RegExp(`^gatehouse_guard_${name}_total (\\d+)$`, "m").exec(text)?.[1] ?? 0);
    }

    /** What went wrong last, with its time. */
    lastError(): Promise<string> {
        return this.inside("cat", "/run/haproxy/last-error");
    }

    async log(image: Image): Promise<string> {
        return (await run("docker", ["logs", this.container(image)])).output;
    }

    async remove(): Promise<void> {
        await run("docker", ["rm", "--force", this.container("haproxy"), this.container("templater")]);
        await run("docker", ["volume", "rm", "--force", ...this.volumes]);
    }

    /** Both containers', and HAProxy's own. */
    private get volumes(): [string, string] {
        return [this.name, `${this.name}-discovery`];
    }

    private get label(): string {
        return `dev.gatehouse.stack=${this.name}`;
    }

    private container(image: Image): string {
        return `${this.name}-${image}`;
    }

    private base(image: Image): string[] {
        const { http, stats } = this.host.ports;
        return [
            ...["run", "--detach", "--name", this.container(image), "--label", this.label],
            ...["--network", "host", "--cap-drop", "ALL", "--volume", `${this.name}:/run/haproxy`],
            ...["--env", `HTTP_PORT=${http}`, "--env", `STATS_PORT=${stats}`],
        ];
    }
}
