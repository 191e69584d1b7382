import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { consulServerConfig } from "../../../components/clusters/consul-server";
import { type Agent, freePorts, launch } from "../../support/agents";

/** A Consul server as the lab configures it, on loopback: it keeps its data while it is away. */
export class LastingConsul {
    private readonly folder = mkdtempSync(join(tmpdir(), "gatehouse-consul-data-"));
    private agent: Agent | undefined;

    private constructor(private readonly ports: Record<string, number>) {}

    static async start(): Promise<LastingConsul> {
        const ports = await freePorts(["http", "dns", "server", "serf_lan"]);
        const consul = new LastingConsul({ ...ports, grpc: -1, grpc_tls: -1, serf_wan: -1 });
        await consul.start();
        return consul;
    }

    get address(): string {
        return `http://127.0.0.1:${this.ports.http}`;
    }

    /** Where it answers DNS. */
    get dns(): string {
        return `127.0.0.1:${this.ports.dns}`;
    }

    /** With the data that an earlier one has left. */
    async start(): Promise<void> {
        mkdirSync(join(this.folder, "data"), { recursive: true });
        this.agent = await launch(
            "consul",
            this.ports,
            this.address,
            (folder) => this.configure(folder),
            () => this.hasLeader(),
        );
    }

    async stop(): Promise<void> {
        await this.agent?.stop();
        this.agent = undefined;
    }

    /** What is left is an empty server on the same port. */
    loseData(): void {
        rmSync(join(this.folder, "data"), { recursive: true, force: true });
    }

    async remove(): Promise<void> {
        await this.stop();
        rmSync(this.folder, { recursive: true, force: true });
    }

    private configure(folder: string): string[] {
        const lab = JSON.parse(consulServerConfig({ address: "127.0.0.1", datacenter: "dc1" })) as object;
        const own = { client_addr: "127.0.0.1", ports: this.ports, data_dir: join(this.folder, "data") };
        writeFileSync(join(folder, "consul.json"), JSON.stringify({ ...lab, ...own }));
        return ["agent", "-config-file", join(folder, "consul.json")];
    }

    private async hasLeader(): Promise<void> {
        const leader = await (await fetch(`${this.address}/v1/status/leader`)).text();
        if (!/^"\S+"$/.test(leader.trim()) || leader.trim() === '""') {
            throw new Error(`no leader yet: ${leader}`);
        }
    }
}
