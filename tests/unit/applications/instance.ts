import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

import { applicationUnits, type ApplicationUnitsArgs } from "../../../components/applications/units";
import { type CommandResult, type RunningCommand, start } from "../../support/command";

/** What answers an application's health check, well or not. */
export class TestApplication {
    status = 200;

    private constructor(
        private readonly server: Server,
        readonly port: number,
    ) {
        server.on("request", (_, response: ServerResponse) => response.writeHead(this.status).end());
    }

    static async start(): Promise<TestApplication> {
        const server = createServer();
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
        return new TestApplication(server, (server.address() as AddressInfo).port);
    }

    async stop(): Promise<void> {
        await new Promise<void>((resolve) => this.server.close(() => resolve()));
    }
}

/** The registration of one instance with its settings, as its unit starts it, in a folder of its own. */
export class TestRegistration {
    readonly folder = mkdtempSync(join(tmpdir(), "gatehouse-registration-"));
    private running: RunningCommand | undefined;

    constructor(args: ApplicationUnitsArgs) {
        for (const { path, content, mode } of applicationUnits(args).files) {
            const text = content.replaceAll("/etc/gatehouse/applications", this.folder);
            writeFileSync(join(this.folder, basename(path)), text, { mode: Number.parseInt(mode, 8) });
        }
    }

    start(): void {
        const settings = join(this.folder, "webapp-registration@1.json");
        this.running = start(join(this.folder, "etcd-registration"), [settings], { timeout: 120 });
    }

    /** What it has said; each change once. */
    get lines(): string[] {
        return this.running!.output().trim().split("\n");
    }

    write(name: string, content: string): void {
        writeFileSync(join(this.folder, name), content);
    }

    signal(name: NodeJS.Signals): Promise<CommandResult> {
        this.running!.signal(name);
        return this.running!.done;
    }

    async remove(): Promise<void> {
        if (this.running) {
            await this.signal("SIGKILL");
        }
        rmSync(this.folder, { recursive: true, force: true });
    }
}
